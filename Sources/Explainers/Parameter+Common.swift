/// Options that mean the same in every method.
extension Parameter {
    /// Of every method.
    package static let common: [Parameter] = [
        Parameter("input", .value, "input whose importance is asked for; default: the first floating-point one"),
        Parameter("batch_size", .integer(0...1_000_000), default: "0", "images evaluated together; 0: as many as the memory budget allows"),
        Parameter("memory", .integer(0...Int.max), default: "0", "bytes that one run may use for activations; 0: the model's own option"),
        Parameter(
            "seed", .integer(0...Int.max), default: "0", "seed of every random number; equal seeds give equal results at any batch size"),
    ]

    /// Of methods that give one number per input element.
    static let channelReduce = Parameter(
        "channel_reduce", .choice(["none", "max", "mean", "sum", "l2"]), default: "none",
        "how the channel axis (1) is folded: none keeps it (Captum's form), max is Simonyan et al.'s")

    static let baseline = Baseline.parameter()
}
