//! Deploying and starting: the template, the functions, the local stack and the programs.

mod cli;
mod cli_doctor;
mod cli_local;
mod cli_stack;
mod demo;
mod events;
mod fake_aws;
mod first_run;
mod invoke;
mod manifests;
mod roles;
mod secrets;
mod start_page;
mod telemetry;
mod template;
