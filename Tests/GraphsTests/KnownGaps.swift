/// Operators whose gradient cannot be differentiated again: one of the operators it is made of has no gradient. The
/// second-order test accepts the refusal ("… has no gradient") of these only.
let secondOrderGaps: Set<String> = [
    "LSTM", "GRU", "RNN",  // their gradient is an operator of its own that runs backwards through the steps
    "LinearAttention",  // the same
]

/// Operators whose gradient needs sizes as numbers and refuses symbols in words.
let gradientNeedsSizes: Set<String> = [
    "Einsum",  // of a diagonal
    "LRN",
    "MaxUnpool",  // with output_shape
]
