/// Operators whose gradient cannot be differentiated again: one of the operators it is made of has no gradient. The
/// second-order test accepts the refusal ("… has no gradient") of these only.
let secondOrderGaps: Set<String> = []

/// Operators whose gradient needs sizes as numbers and refuses symbols in words.
let gradientNeedsSizes: Set<String> = [
    "Einsum",  // of a diagonal
    "LRN",
]
