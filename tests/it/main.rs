//! Scrip's tests. Each module tells stories of one kind, through the front door where there is one.

mod capacity;
mod concurrency;
mod debits;
mod faults;
mod input;
mod operators;
mod properties;
mod restart;
mod support;
mod time;
