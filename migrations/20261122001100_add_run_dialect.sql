-- What the endpoint of a run speaks, fixed at accept as the endpoint is: settings may change before it is submitted.
-- The previous release knows one dialect only, which is the default.
alter table gateway.run add column dialect text not null default 'product'
  constraint run_dialect_known check (dialect in ('product', 'worker-comfyui'));
