internal import Tensors

/// Makes a graph of core operators from a model file.
package enum OnnxImport {
    /// The model's graph with its functions inlined, its nodes sorted and lowered, and everything inferred that follows from
    /// the file. Values keep the file's names. Initialisers that are listed as inputs too are weights.
    package static func importModel(_ model: OnnxModel, operators: OperatorSet) throws -> Graph {
        let graph = try FunctionInliner.inline(model)
        try OnnxValidation.check(graph, operators: operators)
        var importer = GraphImporter(operators: operators)
        var result = try importer.run(graph)
        if result.hasControlFlow {
            // An initial value that is listed as an input may be fed.
            let replaceable = graph.inputs.compactMap { result.id(of: $0.name) }
            try result.unroll(operators: operators, kept: Set(replaceable))
        }
        return result
    }
}

/// What a graph inside a node gets from outside besides its inputs.
struct Captures {
    /// Known values, which the inner graph holds as constants of its own.
    var constants: [(name: String, tensor: Tensor)] = []
    /// Values that become inputs, behind the graph's own.
    var values: [(name: String, value: Value)] = []
}

/// Imports one graph: the model's, or one in a node's attribute.
struct GraphImporter {
    var lowerer: Lowerer
    /// The file's names; other values may have been given names in between.
    private var ids: [String: ValueID] = [:]
    /// Types of the weights as the file stores them, where that is not how they are computed.
    private var stored: [String: ElementType] = [:]

    init(operators: OperatorSet) { lowerer = Lowerer(operators: operators) }

    /// `formals`: types of the graph's inputs where it declares none.
    mutating func run(_ graph: OnnxGraph, formals: [TensorType?] = [], captures: Captures? = nil) throws -> Graph {
        try addWeights(graph)
        try addInputs(graph, formals, isInner: captures != nil)
        for node in graph.nodes {
            for output in node.outputs where !output.isEmpty { ids[output] = lowerer.graph.add(output) }
        }
        add(captures ?? Captures())
        let hints = Hints(graph, symbols: Set(lowerer.graph.inputs.flatMap { lowerer.graph[$0].type?.dims ?? [] }))
        for node in try TopologicalOrder.sort(graph.nodes) {
            try add(node)
            for output in node.outputs { if let id = ids[output] { hints.complete(&lowerer.graph[id], named: output) } }
            rememberStoredTypes(node, hints)
        }
        lowerer.graph.outputs = try graph.outputs.map { output in
            guard let id = ids[output.name] else { throw Failure.parse("output '\(output.name)' is never computed") }
            return id
        }
        return lowerer.graph
    }

    private mutating func addWeights(_ graph: OnnxGraph) throws {
        for weight in graph.initializers { try addWeight(weight.name, weight.load()) }
        for weight in graph.sparseInitializers { try addWeight(weight.name, weight.load()) }
    }

    private mutating func addWeight(_ name: String, _ tensor: Tensor) throws {
        if OnnxPrecision.computed(tensor.type) != tensor.type { stored[name] = tensor.type }
        ids[name] = lowerer.graph.constant(try tensor.widened(), name)
    }

    private mutating func addInputs(_ graph: OnnxGraph, _ formals: [TensorType?], isInner: Bool) throws {
        for (index, input) in graph.inputs.enumerated() {
            if let weight = ids[input.name] {
                try check(input, lowerer.graph[weight])
                continue
            }
            if case .tensor(let number, _) = input.type, let element = ElementType(rawValue: number),
                OnnxPrecision.computed(element) != element
            {
                stored[input.name] = element
            }
            var type: TensorType?
            do { type = try input.type.computed { dims($0, input.name, isInner) } } catch let failure as Failure {
                throw failure.at("input '\(input.name)'")
            }
            guard type != nil || isInner else { throw Failure.parse("input '\(input.name)' has no type") }
            if type == nil, index < formals.count { type = formals[index] }
            let id = lowerer.graph.add(input.name, type: type)
            ids[input.name] = id
            lowerer.graph.inputs.append(id)
        }
    }

    /// Sizes of an input. Those that the file leaves open become symbols, named by the file or after the input and the axis;
    /// a size of -1 or 0 means that too. Inside another graph, sizes left open may differ from one run to the next.
    private func dims(_ dims: [OnnxDim], _ name: String, _ isInner: Bool) -> [Dim] {
        dims.enumerated().map { axis, dim in
            switch dim {
            case .value(let size) where size > 0: return Dim(size)
            case .name(let text) where !isInner && !["", "-1", "?", "None"].contains(text): return .symbol(text)
            default: return isInner ? .unknown : .symbol("\(name).\(axis)")
            }
        }
    }

    /// A weight that is also listed as an input must be what the list says.
    private func check(_ input: OnnxValueInfo, _ weight: Value) throws {
        guard case .tensor(let number, let dims) = input.type, let type = weight.type, let shape = type.shape else { return }
        let declared = ElementType(rawValue: number)
        let actual = stored[input.name] ?? type.element
        guard declared == nil || declared == actual else {
            throw Failure.parse("input '\(input.name)' is declared as \(declared.map { "\($0)" } ?? ""), its initial value is of \(actual)")
        }
        guard let dims else { return }
        let fits =
            dims.count == shape.count
            && zip(dims, shape).allSatisfy { dim, size in
                if case .value(let value) = dim { value <= 0 || value == size } else { true }
            }
        guard fits else {
            let text = dims.map { if case .value(let value) = $0 { String(value) } else { "?" } }.joined(separator: "x")
            throw Failure.parse("input '\(input.name)' is declared with shape \(text), its initial value has shape \(Shape.text(shape))")
        }
    }

    /// Captured values come last, so that the graph's own values keep their names.
    private mutating func add(_ captures: Captures) {
        for (name, tensor) in captures.constants where ids[name] == nil { ids[name] = lowerer.graph.constant(tensor, name) }
        for (name, value) in captures.values {
            let id = lowerer.graph.add(name, type: value.type)
            lowerer.graph[id].symbolic = value.symbolic
            lowerer.graph.inputs.append(id)
            if ids[name] == nil { ids[name] = id }
        }
    }

    // MARK: Nodes

    private mutating func add(_ node: OnnxNode) throws {
        for (path, name) in node.classes where lowerer.graph.classes[path] == nil { lowerer.graph.classes[path] = name }
        do {
            if node.op == "Constant" { return try addConstant(node) }
            var inputs = try node.inputs.map { $0.isEmpty ? nil : try id($0) }
            var attributes: [String: Attribute] = [:]
            for attribute in node.attributes where attribute.graphs.isEmpty {
                if let value = try plain(attribute) {
                    attributes[attribute.name] = OnnxPrecision.widened(value, named: attribute.name, of: node.op)
                }
            }
            if node.attributes.contains(where: { !$0.graphs.isEmpty }) { try addBodies(of: node, &inputs, &attributes) }
            keepStorageTypes(node, &attributes)
            let core = Node(
                op: node.op, name: node.displayName, inputs: inputs, outputs: node.outputs.map { ids[$0] }, attributes: attributes,
                origin: node.op, module: node.module)
            try lowerer.lower(core, opset: node.opset ?? 1)
        } catch let failure as Failure {
            // The lowerer's failures name the node already.
            throw failure.message.hasPrefix("\(node.label):") ? failure : failure.at(node.label)
        }
    }

    private func id(_ name: String) throws -> ValueID {
        guard let id = ids[name] else { throw Failure.parse("input '\(name)' is no input, weight or output of a node") }
        return id
    }

    /// QuantizeLinear takes its result's type from its zero point, and BitCast the bits of its input, which have been widened; a
    /// Cast to a small type rounds to it.
    private func keepStorageTypes(_ node: OnnxNode, _ attributes: inout [String: Attribute]) {
        switch node.op {
        case "QuantizeLinear", "com.microsoft:QuantizeLinear":
            guard node.inputs.count > 2, let type = stored[node.inputs[2]], attributes["output_dtype"]?.int ?? 0 == 0 else { return }
            attributes["output_dtype"] = .int(Int(type.rawValue))
        case "BitCast": attributes["from"] = node.inputs.first.flatMap { stored[$0] }.map { .int(Int($0.rawValue)) }
        case "Cast", "CastLike": attributes["storage"] = storedType(of: node).map { .int(Int($0.rawValue)) }
        default: break
        }
    }

    /// Remembers what types the node's results would be stored in.
    private mutating func rememberStoredTypes(_ node: OnnxNode, _ hints: Hints) {
        let own = storedType(of: node)
        for output in node.outputs {
            guard let id = ids[output], let element = lowerer.graph[id].type?.element else { continue }
            guard let type = hints.element(output) ?? own, type != element, OnnxPrecision.computed(type) == element else { continue }
            stored[output] = type
        }
    }

    /// The small type of a node's result where the node tells: by an attribute, or because it computes in the one small type
    /// that it reads.
    private func storedType(of node: OnnxNode) -> ElementType? {
        switch node.op {
        case "Cast", "BitCast", "EyeLike", "RandomNormal", "RandomUniform", "SequenceEmpty":
            let asked = node.attributes.first { ["to", "dtype"].contains($0.name) }?.value
            guard case .int(let number) = asked, let type = ElementType(rawValue: Int32(clamping: number)) else { return nil }
            return OnnxPrecision.computed(type) == type ? nil : type
        case "CastLike", "DequantizeLinear": return node.inputs.count > 1 ? stored[node.inputs[1]] : nil
        default:
            let small = Set(node.inputs.compactMap { stored[$0] })
            guard small.count == 1, let type = small.first else { return nil }
            let computed = OnnxPrecision.computed(type)
            let isMixed = node.inputs.contains { name in
                stored[name] == nil && (ids[name].flatMap { lowerer.graph[$0].type?.element } == computed)
            }
            return isMixed ? nil : type
        }
    }

    private func plain(_ attribute: OnnxAttribute) throws -> Attribute? {
        switch attribute.value {
        case .int(let value): .int(value)
        case .float(let value): .float(Double(value))
        case .string(let value): .string(value)
        case .ints(let values): .ints(values)
        case .floats(let values): .floats(values.map(Double.init))
        case .strings(let values): .strings(values)
        case .tensor(let tensor): .tensor(try tensor.load().widened())
        case .sparse(let tensor): .tensor(try tensor.load().widened())
        case .none, .types, .graph, .graphs: nil
        case .tensors, .sparses: throw Failure.unsupported("attribute '\(attribute.name)': lists of tensors are not supported")
        }
    }

    private mutating func addConstant(_ node: OnnxNode) throws {
        guard let output = node.outputs.first, let id = ids[output] else { throw Failure.parse("there is no output") }
        let values = node.attributes.compactMap { attribute in
            (attribute.name.hasPrefix("value") || attribute.name == "sparse_value") ? attribute : nil
        }
        guard let value = values.first, let tensor = try constant(value.value) else {
            throw Failure.parse("attribute 'value' is missing, or of a type that is no tensor")
        }
        if OnnxPrecision.computed(tensor.type) != tensor.type { stored[output] = tensor.type }
        let widened = try tensor.widened()
        lowerer.graph[id].constant = widened
        lowerer.graph[id].type = TensorType(widened.type, shape: widened.shape)
    }

    private func constant(_ value: OnnxAttribute.Value) throws -> Tensor? {
        switch value {
        case .tensor(let tensor): try tensor.load()
        case .sparse(let tensor): try tensor.load()
        case .int(let value): try .scalar(Int64(value))
        case .float(let value): try .scalar(value)
        case .string(let value): try Tensor(strings: [value], [])
        case .ints(let values): try Tensor(values.map { Int64($0) })
        case .floats(let values): try Tensor(values)
        case .strings(let values): try Tensor(strings: values, [values.count])
        default: nil
        }
    }

    // MARK: Graphs in attributes

    /// Turns what the inner graphs read from here into inputs of the node, the same for all of them: an inner graph's inputs
    /// are its own, then all captured values. Constants are not captured but copied, so that inner shapes can be inferred.
    private mutating func addBodies(of node: OnnxNode, _ inputs: inout [ValueID?], _ attributes: inout [String: Attribute]) throws {
        var captures = Captures()
        // A loop without trip count, condition and carried values may list none of them.
        while node.op == "Loop", inputs.count < 2 { inputs.append(nil) }
        let formals = formals(of: node, inputs)
        for name in node.captures() {
            let id = try id(name)
            let value = lowerer.graph[id]
            if let constant = value.constant {
                captures.constants.append((name, constant))
            } else {
                captures.values.append((name, value))
                inputs.append(id)
            }
        }
        if node.op != "If" { attributes[Control.captured] = .int(captures.values.count) }
        var contradiction: Failure?
        for attribute in node.attributes where !attribute.graphs.isEmpty {
            guard case .graph(let body) = attribute.value else {
                throw Failure.unsupported("attribute '\(attribute.name)': lists of graphs are not supported")
            }
            guard node.op != "If" || body.outputs.count == node.outputs.count else {
                throw Failure.parse("'\(attribute.name)' has \(body.outputs.count) outputs, the node has \(node.outputs.count)")
            }
            var importer = GraphImporter(operators: lowerer.operators)
            importer.stored = stored
            do {
                attributes[attribute.name] = .graph(try importer.run(body, formals: formals, captures: captures))
            } catch let failure as Failure {
                let failure = failure.at("'\(attribute.name)'")
                guard node.op == "If", failure.kind == .shape, contradiction == nil else { throw failure }
                contradiction = failure
                let outputs = body.outputs.count
                attributes[attribute.name] = .graph(.impossible(inputs: captures.values.count, outputs: outputs, failure.message))
            }
        }
    }

    /// Types that the inputs of a loop's body have where it does not declare them: the element types of what is fed, because
    /// sizes may change from turn to turn.
    private func formals(of node: OnnxNode, _ inputs: [ValueID?]) -> [TensorType?] {
        let elements = inputs.map { id in id.flatMap { lowerer.graph[$0].type }.map { TensorType($0.element, nil) } }
        switch node.op {
        case "Loop": return [TensorType(.int64, []), TensorType(.bool, [])] + elements.dropFirst(2)
        case "Scan": return elements
        default: return []
        }
    }
}
