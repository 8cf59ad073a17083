//! The pure mapping between OpenAI's dialect and the contract.
