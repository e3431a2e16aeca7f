//! Deploying and starting: the template, the functions, the local stack and the programs.

mod cli;
mod demo;
mod events;
mod first_run;
mod invoke;
mod manifests;
mod restore;
mod roles;
mod secrets;
mod start_page;
mod telemetry;
mod template;
