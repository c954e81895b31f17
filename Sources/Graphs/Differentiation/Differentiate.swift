internal import Tensors

extension Graph {
    /// A graph that also computes gradients, and where they are.
    package struct Derivative: Sendable {
        package var graph: Graph
        /// By value asked for; absent when no path leads from it to the seeds (its gradient is zero).
        package var gradients: [ValueID: ValueID]
        /// True when a gradient went straight through a rounding to levels.
        package var isStraightThrough = false
    }

    /// Adds the nodes that carry the `seeds` (a value and the gradient that arrives at it) back to the values `wrt`.
    /// Only nodes between the two are walked. With `mustReach` it throws where the seeds depend on the values by integers or
    /// truths alone: that is no zero gradient but none. `twins`: of a graph with a second run, for rules that compare the two.
    package func differentiated(
        seeds: [(value: ValueID, gradient: ValueID)], wrt: [ValueID], rules: BackwardRules = .gradient, operators: OperatorSet,
        mustReach: Bool = false, twins: [ValueID: ValueID] = [:]
    ) throws -> Derivative {
        var walk = ReverseWalk(builder: Gradients(graph: self, operators: operators), rules: rules, levels: Levels.marked(in: self))
        let depends = dependents(of: Set(wrt))
        walk.builder.depends = depends
        walk.builder.twins = twins
        walk.assigned = try rules.assignment?(self, depends, operators) ?? [:]
        for seed in seeds where depends[seed.value.index] {
            let start = rules.startsFromScore ? try walk.builder.mul(seed.gradient, seed.value) : seed.gradient
            try walk.accumulate(start, into: seed.value)
        }
        for node in nodes.reversed() where node.outputs.contains(where: { $0.map { depends[$0.index] } ?? false }) {
            try walk.visit(node, depends: depends)
        }
        var gradients: [ValueID: ValueID] = [:]
        for value in wrt { gradients[value] = try walk.total(value) }
        if mustReach, gradients.isEmpty, let cut = walk.cut, let node = discretizer(of: cut, depends) {
            let reason = operators[node.op]?.noGradient ?? "its result is not of real numbers"
            throw Failure.unsupported("\(node.label): \(node.op) has no gradient (\(reason)); \(ReverseWalk.advice)")
        }
        return Derivative(graph: walk.builder.graph, gradients: gradients, isStraightThrough: walk.builder.isStraightThrough)
    }

    /// The node that made integers or truths of real numbers on the way to a value.
    private func discretizer(of value: ValueID, _ depends: [Bool]) -> Node? {
        let producers = producers()
        var value = value
        while producers[value.index] >= 0 {
            let node = nodes[producers[value.index]], inputs = node.inputs.compactMap { $0 }.filter { depends[$0.index] }
            if inputs.contains(where: { self[$0].type?.element.isFloat ?? false }) { return node }
            guard let next = inputs.first else { return nil }
            value = next
        }
        return nil
    }

    /// By value: true when it is computed from one of `roots`, or is one.
    package func dependents(of roots: Set<ValueID>) -> [Bool] {
        var depends = [Bool](repeating: false, count: values.count)
        for root in roots { depends[root.index] = true }
        for node in nodes where node.inputs.contains(where: { $0.map { depends[$0.index] } ?? false }) {
            for output in node.outputs { if let output { depends[output.index] = true } }
        }
        return depends
    }
}

private struct ReverseWalk {
    var builder: Gradients
    let rules: BackwardRules
    /// Rules of single nodes, by first output.
    var assigned: [ValueID: Operator.VJP] = [:]
    /// Which integer values carry gradients, see `Levels`.
    private let levels: [Bool]
    /// The first value that is no real number and that the seeds depend on.
    private(set) var cut: ValueID?
    static let advice = "methods that only run the model still work"
    /// Contributions to each value's gradient, not yet added up.
    private var parts: [ValueID: [ValueID]] = [:]

    init(builder: Gradients, rules: BackwardRules, levels: [Bool]) {
        self.builder = builder
        self.rules = rules
        self.levels = levels
    }

    private func carriesGradient(_ value: ValueID) -> Bool {
        if value.index < levels.count, levels[value.index] { return true }
        return builder.graph[value].type?.element.isFloat ?? true
    }

    mutating func accumulate(_ gradient: ValueID, into value: ValueID) throws {
        // Broadcasting in the forward pass is a sum in the backward pass; done once here, never in a rule.
        let fitted = try builder.sum(gradient, like: value)
        parts[value, default: []].append(fitted)
    }

    /// The sum of what has arrived at a value; nil when nothing has.
    mutating func total(_ value: ValueID) throws -> ValueID? {
        guard let contributions = parts[value], var sum = contributions.first else { return nil }
        for next in contributions.dropFirst() { sum = try builder.add(sum, next) }
        parts[value] = [sum]
        return sum
    }

    mutating func visit(_ node: Node, depends: [Bool]) throws {
        guard node.inputs.contains(where: { $0.map { depends[$0.index] } ?? false }) else { return }
        let arriving = try node.outputs.map { output in try output.flatMap { try total($0) } }
        guard arriving.contains(where: { $0 != nil }) else { return }
        builder.current = "grad(\(node.name))"
        do {
            let leaving = try rule(for: node)(&builder, Levels.real(node, levels, in: &builder) ?? node, arriving)
            for (input, gradient) in zip(node.inputs, leaving) {
                guard let input, let gradient, depends[input.index], carriesGradient(input) else { continue }
                try accumulate(gradient, into: input)
            }
            cut = cut ?? node.inputs.lazy.compactMap { $0 }.first { depends[$0.index] && !carriesGradient($0) }
        } catch let failure as Failure {
            throw failure.at("gradient of \(node.label)")
        }
    }

    private func rule(for node: Node) throws -> Operator.VJP {
        if let output = node.outputs.lazy.compactMap({ $0 }).first, let replaced = assigned[output] { return replaced }
        if let replaced = rules.rules[node.op] { return replaced }
        guard let op = builder.operators[node.op] else { throw Failure.unsupported("operator \(node.op) is not supported") }
        guard let vjp = op.vjp else {
            throw Failure.unsupported(
                "\(node.op) has no gradient\(op.noGradient.map { " (\($0))" } ?? ""); \(ReverseWalk.advice)")
        }
        return vjp
    }
}
