package import Tensors

/// Everything the library knows about one core operator.
package struct Operator: Sendable {
    package typealias ShapeRule = @Sendable (Inference) throws -> [TensorType]
    package typealias Kernel = @Sendable (Call) throws -> [Tensor]
    /// From the gradients of the outputs (nil: zero) to those of the inputs (nil: zero, or not asked for), as new nodes.
    package typealias VJP = @Sendable (inout Gradients, Node, [ValueID?]) throws -> [ValueID?]

    package let name: String
    /// How many inputs it takes, optional ones included.
    package let arity: ClosedRange<Int>
    /// Types of the outputs. Throws `NotYetKnown` where they follow only from data.
    package let infer: ShapeRule
    /// The reference kernel: plain loops, the oracle for every backend. Inputs are of types that kernels compute in
    /// (see `Tensor.widened`); integer kernels keep integer types.
    package private(set) var compute: Kernel
    /// nil: has no gradient.
    package let vjp: VJP?
    /// Contents of the first output as expressions of symbols, for operators that build shapes.
    package let symbolic: (@Sendable (Inference) -> [Dim]?)?
    /// False for operators whose result is not a function of inputs and attributes (random numbers).
    package let isPure: Bool
    /// True for operators that take sequences, optionals or maps; all others are given tensors alone.
    package let takesContainers: Bool
    /// Why there is no gradient, where that needs words.
    package let noGradient: String?
    /// Shapes and attributes on which the generic tests run the operator.
    package let samples: [Sample]

    package init(
        _ name: String, arity: ClosedRange<Int>, infer: @escaping ShapeRule, compute: @escaping Kernel, vjp: VJP? = nil,
        symbolic: (@Sendable (Inference) -> [Dim]?)? = nil, isPure: Bool = true, takesContainers: Bool = false, noGradient: String? = nil,
        samples: [Sample] = []
    ) {
        self.name = name
        self.arity = arity
        self.infer = infer
        self.compute = compute
        self.vjp = vjp
        self.symbolic = symbolic ?? ShapeArithmetic.rules[name]
        self.isPure = isPure
        self.takesContainers = takesContainers
        self.noGradient = noGradient
        self.samples = samples
    }

    /// The operator with another kernel.
    func computing(_ kernel: @escaping Kernel) -> Operator {
        var result = self
        result.compute = kernel
        return result
    }

    /// Computes the outputs. Containers are refused where the operator takes tensors.
    package func run(_ call: Call) throws -> [Tensor] {
        try check(call.inputs.lazy.map { $0?.type })
        return try compute(call)
    }

    /// Throws where a container is given and a tensor expected.
    func check(_ inputs: some Sequence<ElementType?>) throws {
        if takesContainers { return }
        for (index, type) in inputs.enumerated() {
            if let type, type.isContainer { throw Failure.invalid("input \(index) is \(type.kind), expected a tensor") }
        }
    }
}

/// One case for the generic tests: the operator must compute it, its shape rule must agree with the kernel, and its VJP
/// with central differences in double.
package struct Sample: Sendable {
    package indirect enum Input: Sendable {
        /// Random reals in the range, differentiated.
        case uniform([Int], ClosedRange<Double>)
        /// Given numbers, differentiated.
        case values([Int], [Double])
        /// Given integers, a constant of the graph.
        case integers([Int], [Int])
        /// Given booleans, a constant of the graph.
        case truths([Int], [Bool])
        /// Given strings, a constant of the graph.
        case strings([Int], [String])
        /// Given reals, a constant of the graph.
        case constants([Int], [Double])
        /// A constant of the graph, its items being constants too.
        case sequence([Input])
        /// A constant map from the elements of the first input to those of the second.
        case map(Input, Input)
        /// A constant optional, of one element or none. (Swift 6.3 reads a missing element of an `Input?` here as a pointer.)
        case optional([Input])
        case absent
    }

    package let inputs: [Input]
    package let attributes: [String: Attribute]
    package let outputs: Int

    package init(_ inputs: [Input], _ attributes: [String: Attribute] = [:], outputs: Int = 1) {
        self.inputs = inputs
        self.attributes = attributes
        self.outputs = outputs
    }
}

extension Sample.Input {
    package static func real(_ shape: Int...) -> Sample.Input { .uniform(shape, -1...1) }
    /// Away from zero, for logarithms, roots and divisors.
    package static func positive(_ shape: Int...) -> Sample.Input { .uniform(shape, 0.3...1.5) }
}
