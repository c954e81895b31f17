internal import Tensors

/// Loops whose turns are known before a run. Each function throws where they are not.
extension Unroller {
    /// A Loop whose trip count is a constant, or whose condition follows from constants turn by turn.
    mutating func unrollLoop(_ node: Node) throws {
        let form = try LoopForm(node)
        var trips = Int.max
        if let id = node.inputs[0] {
            guard let count = known(id) else { throw Refusal() }
            trips = try Control.tripCount(count)
        }
        var goesOn = true
        if let id = node.inputs[1] {
            guard let condition = known(id) else { throw Refusal() }
            goesOn = try Control.isTrue(condition)
        }
        let isCounted = form.isCounted
        if isCounted, goesOn, !hasRoom(for: form.body.nodes.count, times: trips) { throw Refusal() }
        var carried = try given(node, 2..<2 + form.carried)
        let captured = try given(node, 2 + form.carried..<node.inputs.count)
        let condition = constant(try form.scalar(.scalar(Truth(true)), input: 1), "\(node.name)/condition")
        var collected = [[ValueID]](repeating: [], count: form.scanned), constants: [ValueID: ValueID] = [:], index = 0
        while goesOn, index < trips {
            // A body without nodes would never run out of room.
            guard hasRoom(for: 1, times: index) else { throw Refusal() }
            let number = constant(try form.scalar(.scalar(Int64(index)), input: 0), "\(node.name)/\(index)/turn")
            let outputs = try turn(form.body, index, inputs: [number, condition] + carried + captured, for: node, &constants)
            if !isCounted {
                guard let next = known(outputs[0]) else { throw Refusal() }
                goesOn = try Control.isTrue(next)
            }
            carried = Array(outputs[1..<1 + form.carried])
            for place in collected.indices { collected[place].append(outputs[1 + form.carried + place]) }
            index += 1
        }
        let turnTypes = [TensorType(.int64, []), TensorType(.bool, [])]
        let types = try index > 0 ? [] : Control.settled(form.body, turnTypes, types(carried), types(captured), firstOutput: 1)
        try finish(node, states: carried, collected, emptyTypes: types, axis: { _, _ in 0 })
    }

    /// A Scan over axes of known size.
    mutating func unrollScan(_ node: Node) throws {
        let form = try ScanForm(node)
        if form.isBatched { return try unrollBatch(node, form) }
        var states = try given(node, 0..<form.states)
        let scanned = try given(node, form.states..<form.states + form.scanned)
        let captured = try given(node, form.states + form.scanned..<node.inputs.count)
        var turns: Int?
        let elements = try scanned.enumerated().map { index, id in
            guard let dims = graph[id].type?.dims else { throw Refusal() }
            let axis = try form.inputAxis(index, rank: dims.count)
            guard let size = dims[axis].value, turns ?? size == size, hasRoom(for: form.body.nodes.count + 2, times: size) else {
                throw Refusal()
            }
            turns = size
            let entries = try entries(id, axis: axis, count: size, for: node)
            return try form.inputIsReversed(index) ? entries.reversed() : entries
        }
        var collected = [[ValueID]](repeating: [], count: form.collected), constants: [ValueID: ValueID] = [:]
        for index in 0..<(turns ?? 0) {
            let outputs = try turn(form.body, index, inputs: states + elements.map { $0[index] } + captured, for: node, &constants)
            states = Array(outputs.prefix(form.states))
            for place in collected.indices { collected[place].append(outputs[form.states + place]) }
        }
        for place in collected.indices where try form.outputIsReversed(place) { collected[place].reverse() }
        var types: [TensorType?] = []
        if turns == 0 {
            let elements = try scanned.enumerated().map { index, id in
                var type = graph[id].type
                if let rank = type?.rank { type?.dims?.remove(at: try form.inputAxis(index, rank: rank)) }
                return type
            }
            types = try Control.settled(form.body, [], self.types(states), elements + self.types(captured), firstOutput: 0)
        }
        try finish(node, states: states, collected, emptyTypes: types) { place, rank in
            try form.outputAxis(place, rank: rank)
        }
    }

    /// A Scan of opset 8 over whole sequences, as one Scan for each.
    private mutating func unrollBatch(_ node: Node, _ form: ScanForm) throws {
        guard node.inputs[0] == nil, let first = node.inputs[1 + form.states], let batch = graph[first].type?.dims?.first?.value,
            batch > 0, hasRoom(for: form.body.nodes.count, times: batch)
        else { throw Refusal() }
        let parts = try given(node, 1..<1 + form.states + form.scanned).map { id in
            guard graph[id].type?.dims?.first?.value == batch else { throw Refusal() }
            return try entries(id, axis: 0, count: batch, for: node)
        }
        let captured = try given(node, 1 + form.states + form.scanned..<node.inputs.count)
        var results = [[ValueID]](repeating: [], count: node.outputs.count)
        for index in 0..<batch {
            var single = node
            single.name = "\(node.name)/sequence\(index)"
            single.attributes[Control.batched] = nil
            single.attributes["scan_input_directions"] = node.attributes["directions"]
            single.inputs = parts.map { $0[index] } + captured
            single.outputs = node.outputs.indices.map { graph.add("\(single.name)/output\($0)") }
            for (place, output) in single.outputs.enumerated() { if let output { results[place].append(output) } }
            try add(single)
        }
        for (place, output) in node.outputs.enumerated() {
            if let output { try stack(results[place], axis: 0, to: output, for: node) }
        }
    }

    /// A SequenceMap over sequences whose items are known.
    mutating func unrollSequenceMap(_ node: Node) throws {
        let form = try SequenceMapForm(node)
        let inputs = try given(node, 0..<node.inputs.count)
        guard let count = lists[inputs[0]]?.count, count > 0, hasRoom(for: form.body.nodes.count, times: count) else { throw Refusal() }
        let items = try inputs.enumerated().map { index, id -> [ValueID] in
            if index >= form.given { return [ValueID](repeating: id, count: count) }
            if let list = lists[id] {
                guard list.count == count else { throw Refusal() }
                return list
            }
            guard let type = graph[id].type, !type.element.isContainer else { throw Refusal() }
            return [ValueID](repeating: id, count: count)
        }
        var results = [[ValueID]](repeating: [], count: form.body.outputs.count), constants: [ValueID: ValueID] = [:]
        for index in 0..<count {
            let outputs = try turn(form.body, index, inputs: items.map { $0[index] }, for: node, &constants)
            for (place, output) in outputs.enumerated() { results[place].append(output) }
        }
        for (place, output) in node.outputs.enumerated() {
            if let output { try emit("SequenceConstruct", results[place], to: [output], for: node) }
        }
    }

    /// Inputs that must all be there.
    private func given(_ node: Node, _ range: Range<Int>) throws -> [ValueID] {
        try range.map { index in
            guard let id = node.inputs[index] else { throw Refusal() }
            return id
        }
    }

    private func types(_ values: [ValueID]) -> [TensorType?] { values.map { graph[$0].type } }

    /// Writes a loop's outputs: the last states, then what its turns collected. `emptyTypes`: of all outputs, where there was
    /// no turn.
    private mutating func finish(
        _ node: Node, states: [ValueID], _ collected: [[ValueID]], emptyTypes: [TensorType?], axis: (Int, Int) throws -> Int
    ) throws {
        for (place, output) in node.outputs.enumerated() {
            guard let output else { continue }
            if place < states.count {
                try emit("Identity", [states[place]], to: [output], for: node)
                continue
            }
            let index = place - states.count, parts = collected[index]
            let type = parts.first.map { graph[$0].type } ?? (place < emptyTypes.count ? emptyTypes[place] : nil)
            guard let dims = type?.dims else { throw Refusal() }
            let axis = try axis(index, dims.count + 1)
            if parts.isEmpty {
                let empty = try Stack(watch: nil).stacked(emptyType: type, axis: axis)
                try emit("Identity", [constant(empty, "\(node.name)/nothing")], to: [output], for: node)
            } else {
                guard parts.allSatisfy({ graph[$0].type?.dims?.count == dims.count }) else { throw Refusal() }
                try stack(parts, axis: axis, to: output, for: node)
            }
        }
    }
}
