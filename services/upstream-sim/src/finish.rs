//! How a turn ends and what it reports to have used.

use crate::wire::writer::Writer;

/// The reason in `finished`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Finish {
    /// The turn is complete.
    #[default]
    Done,
    /// No reason is set, which means done.
    Unset,
    /// An end without a name.
    Other,
    /// The answer reached the model's limit.
    MaxTokenLimit,
    /// The account's quota is used up.
    QuotaLimit,
    /// The input is too long for the model.
    ContextWindowExceeded,
    /// The model's provider is down.
    LlmUnavailable,
    /// A fault of the upstream, with its text.
    InternalError(String),
    /// The provider refuses the user's own key.
    InvalidApiKey {
        /// The number of the provider: 1 Anthropic, 2 OpenAI, 3 Google, and so on.
        provider: u32,
        /// The model that was asked for.
        model: String,
    },
}

impl Finish {
    /// Each reason once, with texts where it has any.
    pub fn all() -> Vec<Self> {
        vec![
            Self::Done,
            Self::Unset,
            Self::Other,
            Self::MaxTokenLimit,
            Self::QuotaLimit,
            Self::ContextWindowExceeded,
            Self::LlmUnavailable,
            Self::InternalError("the simulated upstream failed".to_owned()),
            Self::InvalidApiKey { provider: 2, model: "gpt-5".to_owned() },
        ]
    }

    /// Whether the upstream charges a turn that ends so.
    pub(crate) const fn is_charged(&self) -> bool {
        matches!(self, Self::Done | Self::Unset | Self::MaxTokenLimit)
    }

    /// Writes the reason and, in the order of the field numbers, `usage` and the rest.
    pub(crate) fn write(&self, writer: &mut Writer, usage: Option<&Usage>, refresh_models: bool) {
        match self {
            Self::Other => _ = writer.message(1, |_| {}),
            Self::Done => _ = writer.message(2, |_| {}),
            Self::MaxTokenLimit => _ = writer.message(3, |_| {}),
            Self::QuotaLimit => _ = writer.message(4, |_| {}),
            Self::ContextWindowExceeded => _ = writer.message(5, |_| {}),
            Self::LlmUnavailable => _ = writer.message(6, |_| {}),
            Self::InternalError(message) => {
                writer.message(7, |w| _ = w.string_if(1, message));
            }
            Self::Unset | Self::InvalidApiKey { .. } => {}
        }
        if let Some(usage) = usage {
            usage.write_token_usage(writer);
        }
        if refresh_models {
            writer.uint(9, 1);
        }
        if let Some(usage) = usage {
            usage.write_cost_and_totals(writer);
        }
        if let Self::InvalidApiKey { provider, model } = self {
            writer.message(12, |w| {
                w.uint(1, u64::from(*provider)).string_if(2, model);
            });
        }
        if let Some(usage) = usage {
            usage.write_charges(writer);
        }
    }
}

/// Token counts of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tokens {
    /// Tokens of the input that were not read from a cache.
    pub input: u32,
    /// Tokens of the answer.
    pub output: u32,
    /// Tokens of the input that were read from a cache.
    pub cache_read: u32,
    /// Tokens of the input that were written to a cache.
    pub cache_write: u32,
}

/// In which of the forms the upstream knows the usage is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UsageForm {
    /// Credits, totals of the conversation and `request_charges` of this request: what a client of today sees.
    #[default]
    Charges,
    /// Credits and totals of the conversation only, as recorded in January 2026.
    Totals,
    /// Also `token_usage`, which only internal builds see.
    Internal,
    /// Nothing at all.
    Absent,
}

/// What `finished` reports to have been used.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Usage {
    pub(crate) form: UsageForm,
    pub(crate) model: String,
    pub(crate) tokens: Tokens,
    /// Calls of offered tools in this turn.
    pub(crate) tool_calls: u32,
}

/// The credits that every turn costs.
const CREDITS: f32 = 1.0;
/// The context window that the share in use is computed from.
const CONTEXT_WINDOW: f32 = 200_000.0;
const CATEGORY: &str = "primary_agent";

impl Usage {
    fn total_input(&self) -> u32 {
        self.tokens.input.saturating_add(self.tokens.cache_read).saturating_add(self.tokens.cache_write)
    }

    fn write_token_usage(&self, writer: &mut Writer) {
        if self.form == UsageForm::Internal {
            writer.message(8, |w| {
                w.string_if(1, &self.model);
                write_counts(
                    w,
                    [
                        (2, self.total_input()),
                        (3, self.tokens.output),
                        (4, self.tokens.cache_read),
                        (5, self.tokens.cache_write),
                    ],
                );
            });
        }
    }

    fn write_cost_and_totals(&self, writer: &mut Writer) {
        if self.form == UsageForm::Absent {
            return;
        }
        let total = self.total_input().saturating_add(self.tokens.output);
        writer.message(10, |w| _ = w.float(1, CREDITS));
        writer.message(11, |w| {
            w.float(1, (total as f32 / CONTEXT_WINDOW).min(1.0)).float(3, CREDITS);
            if self.tool_calls > 0 {
                w.message(5, |w| {
                    w.message(9, |w| write_counts(w, [(1, self.tool_calls)]));
                });
            }
            w.message(6, |entry| {
                entry.string(1, &self.model).message(2, |w| {
                    w.string_if(1, &self.model);
                    write_counts(w, [(2, total)]);
                    w.message(3, |entry| {
                        entry.string(1, CATEGORY).uint(2, u64::from(total));
                    });
                });
            });
            write_counts(w, [(10, self.total_input())]);
        });
    }

    fn write_charges(&self, writer: &mut Writer) {
        if !matches!(self.form, UsageForm::Charges | UsageForm::Internal) {
            return;
        }
        writer.message(13, |charges| {
            charges.message(1, |category| {
                category.string(1, CATEGORY).message(2, |charged| {
                    charged.message(1, |model| {
                        model.string(1, &self.model).message(2, |inference| {
                            inference.message(1, |w| {
                                write_counts(
                                    w,
                                    [
                                        (1, self.tokens.input),
                                        (2, self.tokens.output),
                                        (3, self.tokens.cache_read),
                                        (4, self.tokens.cache_write),
                                    ],
                                );
                            });
                        });
                    });
                });
            });
        });
    }
}

/// Writes the counts that are not zero.
fn write_counts<const N: usize>(writer: &mut Writer, counts: [(u32, u32); N]) {
    for (field, count) in counts {
        if count > 0 {
            writer.uint(field, u64::from(count));
        }
    }
}
