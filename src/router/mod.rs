//! Who gets a message: subscriptions by topic filter.
