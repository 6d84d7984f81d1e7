//! Who may do what in the database: a table of rights that is run cell by cell, and attacks that change nothing.

mod completeness;
mod definer;
mod files;
mod generations;
mod matrix;
mod money;
mod others;
mod policies;
mod rights;
mod roles;
mod services;
mod statements;
mod world;
