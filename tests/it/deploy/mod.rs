//! Deploying and starting: the template, the functions, the local stack and the programs.

mod cli;
mod cli_doctor;
mod cli_local;
mod cli_stack;
mod connect;
mod console;
mod demo;
mod events;
mod fake_aws;
mod first_run;
mod invoke;
mod logs;
mod manifests;
mod release;
mod restore;
mod roles;
mod secrets;
mod smoke;
mod start_page;
mod telemetry;
mod template;
