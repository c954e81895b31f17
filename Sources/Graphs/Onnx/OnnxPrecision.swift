package import Tensors

/// Storage types at the edge of a graph. Kernels compute in float32 and float64 and in integers of eight bits and more,
/// so float16, bfloat16, float8, float4, int4 and int2 exist only at the edge: weights are widened when they are read, inputs
/// when they are fed, and outputs are rounded when they are handed out. Inside, only a Cast rounds. Results are therefore
/// those of more precision, not of the rounding that a half-precision runtime would add after each node.
enum OnnxPrecision {
    /// The type that kernels use for a type of a file.
    static func computed(_ type: ElementType) -> ElementType {
        switch type {
        case .float16, .bfloat16, .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz, .float8e8m0, .float4e2m1,
            .float6e2m3, .float6e3m2:
            .float32
        case .int4, .int2: .int8
        case .uint4, .uint2: .uint8
        default: type
        }
    }

    /// Attributes that hold an element type for a node's result.
    private static let typeAttributes: Set<String> = ["to", "dtype", "output_datatype", "output_dtype", "stash_type", "softmax_precision"]

    /// The attribute with a type of the kernels in place of one of the files.
    static func widened(_ attribute: Attribute, named name: String, of op: String) -> Attribute {
        // The type that QuantizeLinear writes says at which numbers it saturates, that of BitCast what the bits mean.
        guard typeAttributes.contains(name), !op.hasSuffix("QuantizeLinear"), op != "BitCast", case .int(let number) = attribute,
            let code = Int32(exactly: number), let type = ElementType(rawValue: code)
        else { return attribute }
        return .int(Int(computed(type).rawValue))
    }
}

extension OnnxModel {
    /// Element types of the graph's inputs and outputs as the file declares them, where the imported graph has wider ones;
    /// of sequences and optionals those of the tensors in them.
    package var declaredTypes: [String: ElementType] {
        var result: [String: ElementType] = [:]
        for value in graph.inputs + graph.outputs {
            guard let number = value.type.tensorType, let type = ElementType(rawValue: number) else { continue }
            if OnnxPrecision.computed(type) != type { result[value.name] = type }
        }
        return result
    }

    /// What the file tells about itself: the entries of its metadata, and its own fields under these names.
    package var facts: [String: String] {
        var facts = metadata
        facts["producer"] = producer
        facts["producer_version"] = producerVersion
        facts["domain"] = domain
        facts["model_version"] = String(version)
        facts["ir_version"] = String(irVersion)
        facts["graph"] = graph.name
        facts["doc"] = doc.isEmpty ? graph.doc : doc
        for (domain, version) in opsets { facts[domain.isEmpty ? "opset" : "opset.\(domain)"] = String(version) }
        return facts
    }
}
