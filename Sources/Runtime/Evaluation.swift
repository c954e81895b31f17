package import Graphs
package import Tensors

/// One question to a model: which values, and which gradients, for a batch of inputs.
package struct Evaluation {
    /// By value name; images along the first axis.
    package var feeds: [String: Tensor]
    /// Names of values to return.
    package var wanted: [String]
    /// nil: no score, no gradients.
    package var target: Target?
    /// Names of values whose gradient is returned.
    package var gradients: [String]
    package var rules: BackwardRules
    /// Those of `gradients` whose second derivative, times the value itself, is returned too.
    package var curvatures: [String] = []
    /// Images evaluated together; nil: as many as the memory budget allows.
    package var batch: Int?
    /// Bytes that one run may use for activations; nil: the model's option.
    package var memory: Int?
    /// Whether the levels of a quantised network are returned as the real numbers that they stand for.
    package var isDequantized: Bool
    /// Whether the scores of all classes are returned, not the target's alone.
    package var wantsEveryScore: Bool

    package init(
        _ feeds: [String: Tensor], wanted: [String] = [], target: Target? = nil, gradients: [String] = [], rules: BackwardRules = .gradient,
        batch: Int? = nil, memory: Int? = nil, isDequantized: Bool = false, wantsEveryScore: Bool = false
    ) {
        self.feeds = feeds
        self.wanted = wanted
        self.target = target
        self.gradients = gradients
        self.rules = rules
        self.batch = batch
        self.memory = memory
        self.isDequantized = isDequantized
        self.wantsEveryScore = wantsEveryScore
    }
}

/// The answer.
package struct Outcome {
    package var values: [String: Tensor] = [:]
    package var gradients: [String: Tensor] = [:]
    /// By value `v`: `H v`, with `H` the second derivative of the score by `v`.
    package var curvatures: [String: Tensor] = [:]
    /// The target's score, one per image.
    package var scores: [Double] = []
    /// The scored output, images x classes (x positions): logits, probabilities or the output, as the target says.
    package var everyScore: Tensor?
    /// The class that was chosen for each image, for an arg-max target.
    package var classes: [Int] = []
    /// True when a gradient went straight through the rounding of a quantised network.
    package var isStraightThrough = false

    /// Value that was asked for.
    package func value(_ name: String) throws -> Tensor {
        guard let tensor = values[name] else { throw Failure.failed("'\(name)' was not computed") }
        return tensor
    }

    package func gradient(_ name: String) throws -> Tensor {
        guard let tensor = gradients[name] else { throw Failure.failed("the gradient of '\(name)' was not computed") }
        return tensor
    }

    package func curvature(_ name: String) throws -> Tensor {
        guard let tensor = curvatures[name] else { throw Failure.failed("the second derivative by '\(name)' was not computed") }
        return tensor
    }
}
