//! Money: packs, checkouts, payments from Stripe, refunds, disputes and debts.

mod auto_top_up;
mod browser_purchases;
mod checkouts;
mod currencies;
mod edge_cases;
mod event_order;
mod listings;
mod missed_webhooks;
mod parked;
mod properties;
mod purchases;
mod receipts;
mod rejected_events;
mod return_addresses;
mod several_prices;
mod signatures;
mod subscribing;
mod subscription_stories;
mod tax_properties;
mod tax_requests;
mod taxes;
mod topups;
