internal import Graphs
internal import Tensors

/// What a run asks for; plans are cached by it.
struct PlanRequest: Hashable, Sendable {
    struct Feed: Hashable, Sendable {
        var name: String
        var type: TensorType
    }
    var feeds: [Feed]
    /// Value names.
    var wanted: [String]
    var target: TargetPlan?
    var gradients: [String]
    var curvatures: [String] = []
    /// Name of the backward rules; the rules themselves are not hashable.
    var rules: String
    var forwardHooks: [String]
    var backwardHooks: [String]
    /// Whether quantised values are returned as the real numbers that they stand for.
    var isDequantized = false
    var wantsEveryScore = false
}

/// A graph made ready for one set of shapes and requests: steps in order, and when each value is dropped.
final class Plan: Sendable {
    enum Action: Sendable {
        case kernel(Kernel)
        /// The same memory under the output's shape.
        case view(from: ValueID, to: ValueID)
        /// By the operator's own kernel: shapes that follow from data, text, nested graphs.
        case interpret(Operator, Node)
    }
    struct Step: Sendable {
        var action: Action
        /// For messages and profiles.
        var label: String
        var op: String
        var outputs: [ValueID]
        /// Values whose last reader this is.
        var released: [ValueID]
    }

    let graph: Graph
    let steps: [Step]
    /// By name: values and constants that the caller asked for.
    let wanted: [String: ValueID]
    /// By name of the value: where its gradient is; nil: zero.
    let gradients: [String: ValueID?]
    /// By name of the value: where its second derivative times the value is; nil: zero.
    let curvatures: [String: ValueID?]
    let score: ValueID?
    let classes: ValueID?
    /// The scored output, for callers that want the scores of all classes.
    let everyScore: ValueID?
    let targetWeights: ValueID?
    /// Hooked values: forward values by their names, gradients by the names of their values.
    let forwardHooks: [ValueID: String]
    let backwardHooks: [ValueID: String]
    /// True when a gradient goes straight through the rounding of a quantised network.
    let isStraightThrough: Bool
    /// Most bytes of activations alive at once, as far as shapes are known.
    let peakBytes: Int

    /// How many nodes run where, by operator, for the log: `cpu: Conv 49, Clip 33; reference: Less 33`.
    var summary: String {
        var counts: [String: [String: Int]] = [:]
        for step in steps {
            let place: String
            switch step.action {
            case .kernel(let kernel): place = kernel.backend.name
            case .view: place = "views"
            case .interpret: place = "interpreter"
            }
            counts[place, default: [:]][step.op, default: 0] += 1
        }
        return counts.sorted { $0.key < $1.key }.map { place, operators in
            "\(place): "
                + operators.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
        }.joined(separator: "; ")
    }

    init(
        graph: Graph, steps: [Step], wanted: [String: ValueID], gradients: [String: ValueID?], curvatures: [String: ValueID?] = [:],
        score: ValueID?, classes: ValueID?,
        everyScore: ValueID? = nil, targetWeights: ValueID?, forwardHooks: [ValueID: String], backwardHooks: [ValueID: String],
        isStraightThrough: Bool = false,
        peakBytes: Int
    ) {
        self.graph = graph
        self.steps = steps
        self.wanted = wanted
        self.gradients = gradients
        self.curvatures = curvatures
        self.score = score
        self.classes = classes
        self.everyScore = everyScore
        self.targetWeights = targetWeights
        self.forwardHooks = forwardHooks
        self.backwardHooks = backwardHooks
        self.isStraightThrough = isStraightThrough
        self.peakBytes = peakBytes
    }
}
