//! Destinations: usage, health, forecast.

pub mod forecast;
