-- The span that accepted a run, in the form of W3C Trace Context: what is done for the run later links to it.
-- Of the previous release, and of what was accepted before, it is null.
alter table gateway.run add column traceparent text;
