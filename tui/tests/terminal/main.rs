//! The terminal layer on a real pseudo-terminal, through its selftest example.

#[cfg(test)]
mod modes;
#[cfg(test)]
mod pty;
#[cfg(test)]
mod survival;
