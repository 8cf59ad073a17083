//! The House: a whole system on port 0 for each test.
