internal import Tensors

/// What the lowerings of classical models share. They report float32 whatever their input is, but compute float64 input as such.
extension Lowerer {
    /// Features as floats in rows; a vector is one row.
    mutating func features(_ node: Node) throws -> (rows: ValueID, element: ElementType) {
        guard var x = node.inputs.first ?? nil else { throw Failure.invalid("input 0 is missing") }
        guard let type = graph[x].type else { throw Failure.unsupported("the type of the input is not known") }
        guard (1...2).contains(type.rank ?? 2) else { throw Failure.shape("input has \(type.rank ?? 0) axes, expected 2") }
        if type.rank == 1 { x = try emit("Reshape", [x, constant(Tensor([1, -1] as [Int64]))]) }
        return (try floats(x), Classical.real(type.element))
    }

    /// A value as float32, or float64 where it is.
    mutating func floats(_ value: ValueID) throws -> ValueID {
        guard let element = graph[value].type?.element else { throw Failure.unsupported("the type of the input is not known") }
        return element == Classical.real(element) ? value : try cast(value, .float32)
    }

    /// A constant of the given numbers; one number is a scalar unless a shape is given.
    mutating func numbers(_ numbers: [Double], _ element: ElementType, shape: [Int]? = nil) throws -> ValueID {
        constant(try Tensor(numbers, shape ?? (numbers.count == 1 ? [] : [numbers.count])).converted(to: element))
    }

    /// The result as float32, as ONNX declares it.
    mutating func report(_ value: ValueID, to output: ValueID?) throws {
        if graph[value].type?.element == .float32 { return try emit("Identity", [value], to: [output]) }
        try emit("Cast", [value], to: [output], ["to": .int(Int(ElementType.float32.rawValue))])
    }

    /// `post_transform`, by operators that have gradients where there are such. An only column passes unchanged but for
    /// PROBIT, as in onnxruntime.
    mutating func transform(_ scores: ValueID, _ post: PostTransform, columns: Int) throws -> ValueID {
        switch post {
        case .logistic where columns > 1: try emit("Sigmoid", [scores])
        case .softmax where columns > 1: try emit("Softmax", [scores], ["axis": .int(-1)])
        case .softmaxZero where columns > 1, .probit:
            try emit(Classical.domain + "PostTransform", [scores], ["post_transform": .string(post.rawValue)])
        default: scores
        }
    }
}
