internal import Graphs
internal import Tensors

/// Runs a plan once. Holds every value of the run; nothing of it is shared.
struct Executor {
    private let plan: Plan
    private let pool: BufferPool
    private let control: Control
    private var values: [Tensor?]

    init(_ plan: Plan, pool: BufferPool, control: Control) {
        self.plan = plan
        self.pool = pool
        self.control = control
        values = [Tensor?](repeating: nil, count: plan.graph.values.count)
    }

    /// Computes everything the plan wants from the fed values.
    mutating func run(_ feeds: [(ValueID, Tensor)]) throws {
        for (id, tensor) in feeds { values[id.index] = try tensor.contiguous() }
        if !plan.forwardHooks.isEmpty { for (id, _) in feeds { try observe(id) } }
        let total = Double(max(plan.steps.count, 1))
        for (index, step) in plan.steps.enumerated() {
            try control.poll(Double(index) / total)
            let watch = Watch { [control] in try control.poll(Double(index) / total) }
            do { try perform(step, watch) } catch let failure as Failure where failure.kind != .callback && failure.kind != .cancelled {
                throw failure.at(step.label)
            }
            if !plan.forwardHooks.isEmpty || !plan.backwardHooks.isEmpty { for output in step.outputs { try observe(output) } }
            for id in step.released { values[id.index] = nil }
        }
        try control.poll(1)
    }

    /// A value after the run.
    func value(_ id: ValueID) throws -> Tensor {
        guard let tensor = plan.graph[id].constant ?? values[id.index] else {
            throw Failure.failed("'\(plan.graph[id].name)' was not computed")
        }
        return tensor
    }

    private func input(_ id: ValueID) throws -> Tensor { try value(id) }

    private mutating func perform(_ step: Plan.Step, _ watch: Watch) throws {
        switch step.action {
        case .view(let from, let to):
            values[to.index] = try input(from).reshaped(plan.graph[to].type?.shape ?? [])
        case .kernel(let kernel):
            let outputs = try kernel.outputs.map { id in
                let type = plan.graph[id].type
                return try pool.tensor(type?.element ?? .float32, type?.shape ?? [])
            }
            try kernel.run(try kernel.inputs.map { try input($0) }, outputs)
            for (id, tensor) in zip(kernel.outputs, outputs) { values[id.index] = tensor }
        case .interpret(let op, let node):
            let results = try op.run(Call(node: node, inputs: try node.inputs.map { try $0.map { try input($0) } }, watch: watch))
            guard results.count >= node.outputs.lastIndex(where: { $0 != nil }).map({ $0 + 1 }) ?? 0 else {
                throw Failure.failed("\(op.name) computed \(results.count) outputs, expected \(node.outputs.count)")
            }
            for (id, tensor) in zip(node.outputs, results) {
                guard let id else { continue }
                try check(tensor, id)
                values[id.index] = try tensor.contiguous()
            }
        }
    }

    /// Kernels of backends trust the plan's shapes, so that what is interpreted must keep to them.
    private func check(_ tensor: Tensor, _ id: ValueID) throws {
        guard let type = plan.graph[id].type else { return }
        let fits = type.element == tensor.type && (type.shape.map { $0 == tensor.shape } ?? true)
        guard fits else {
            throw Failure.failed("'\(plan.graph[id].name)' is \(tensor.type) \(Shape.text(tensor.shape)), the plan said \(type)")
        }
    }

    /// Shows a hooked value to its hooks and takes their replacement.
    private mutating func observe(_ id: ValueID) throws {
        for (phase, names) in [(Hook.Phase.forward, plan.forwardHooks), (.backward, plan.backwardHooks)] {
            guard let name = names[id] else { continue }
            for hook in control.hooks where hook.phase == phase && hook.name == name {
                guard let current = values[id.index], let replacement = try hook.action(name, current) else { continue }
                guard replacement.type == current.type, replacement.shape == current.shape else {
                    throw Failure.shape(
                        "hook on '\(name)': expected \(current.type) \(Shape.text(current.shape)), found \(replacement.type) \(Shape.text(replacement.shape))"
                    )
                }
                values[id.index] = try replacement.contiguous()
            }
        }
    }
}
