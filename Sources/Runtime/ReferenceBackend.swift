internal import CPellucid
internal import CSupport
internal import Graphs
internal import Tensors

/// The oracle: every operator by its plain kernel, behind the same table as any plugin.
enum ReferenceBackend {
    /// The table; lives as long as the process, as a plugin's would.
    nonisolated(unsafe) static let table: UnsafePointer<pellucid_backend> = {
        let table = UnsafeMutablePointer<pellucid_backend>.allocate(capacity: 1)
        var entry = pellucid_backend()
        entry.struct_size = MemoryLayout<pellucid_backend>.size
        entry.abi = Int32(PELLUCID_BACKEND_ABI)
        entry.name = name
        entry.version = version
        entry.description = summary
        entry.score = { 1 }
        entry.open = open
        entry.close = { _ in }
        entry.supports = supports
        entry.compile = compile
        entry.run = run
        entry.release = { kernel in kernel.map { Unmanaged<Compiled>.fromOpaque(UnsafeRawPointer($0)).release() } }
        table.initialize(to: entry)
        return UnsafePointer(table)
    }()

    private nonisolated(unsafe) static let name = text("reference")
    private nonisolated(unsafe) static let version = text(Library.version)
    private nonisolated(unsafe) static let summary = text("plain loops, the oracle for every other backend")

    private static func text(_ string: StaticString) -> UnsafePointer<CChar> {
        UnsafeRawPointer(string.utf8Start).assumingMemoryBound(to: CChar.self)
    }

    /// The device of this backend is nothing but a mark.
    private static let open:
        @convention(c) (UnsafePointer<pellucid_host>?, UnsafePointer<CChar>?, UnsafeMutablePointer<OpaquePointer?>?) -> pellucid_status = {
            _, _, out in
            out?.pointee = OpaquePointer(bitPattern: 1)
            return pellucid_status(PELLUCID_OK)
        }

    private static let supports: @convention(c) (OpaquePointer?, UnsafePointer<pellucid_program>?) -> Int32 = { _, program in
        guard let program = program?.pointee, program.node_count == 1, let op = program.nodes?.pointee.op else { return 0 }
        return OperatorSet.standard[String(cString: op)] == nil ? 0 : 100
    }

    private static let compile:
        @convention(c) (OpaquePointer?, UnsafePointer<pellucid_program>?, UnsafeMutablePointer<OpaquePointer?>?) -> pellucid_status = {
            _, program, out in
            reporting {
                guard let program, let out else { throw Failure.invalid("no program") }
                out.pointee = OpaquePointer(Unmanaged.passRetained(try Compiled(program.pointee)).toOpaque())
            }
        }

    private static let run:
        @convention(c) (OpaquePointer?, UnsafePointer<pellucid_view>?, UnsafePointer<pellucid_view>?) -> pellucid_status = {
            kernel, inputs, outputs in
            reporting {
                guard let kernel else { throw Failure.invalid("no kernel") }
                try Unmanaged<Compiled>.fromOpaque(UnsafeRawPointer(kernel)).takeUnretainedValue().run(inputs, outputs)
            }
        }

    private static func reporting(_ body: () throws -> Void) -> pellucid_status {
        do {
            try body()
            return pellucid_status(PELLUCID_OK)
        } catch {
            support_set_message("\(error)")
            return (error as? Failure)?.kind.rawValue ?? pellucid_status(PELLUCID_E_FAILED)
        }
    }
}

/// One node of the reference backend.
private final class Compiled: Sendable {
    private let node: Node
    private let op: Operator
    /// By input: a constant, the position among the inputs of `run`, or absent.
    private let sources: [Source]
    private let outputCount: Int
    private enum Source { case constant(Tensor), fed(Int), absent }

    init(_ program: pellucid_program) throws {
        guard let entry = program.nodes?.pointee, let op = OperatorSet.standard[String(cString: entry.op)] else {
            throw Failure.unsupported("unknown operator")
        }
        self.op = op
        let fed = UnsafeBufferPointer(start: program.inputs, count: Int(program.input_count))
        sources = try UnsafeBufferPointer(start: entry.inputs, count: Int(entry.input_count)).map { index in
            guard index >= 0, let values = program.values else { return .absent }
            if let position = fed.firstIndex(of: index) { return .fed(position) }
            return .constant(try Tensor(borrowing: values[Int(index)]))
        }
        outputCount = Int(entry.output_count)
        // The kernels ask only whether an input is there; which value it is does not matter here.
        var graph = Graph()
        let mark = graph.add("value")
        let written = UnsafeBufferPointer(start: entry.outputs, count: outputCount)
        node = Node(
            op: op.name, name: String(cString: entry.name), inputs: sources.map { if case .absent = $0 { nil } else { mark } },
            outputs: written.map { $0 < 0 ? nil : mark }, attributes: try Compiled.attributes(entry))
    }

    private static func attributes(_ entry: pellucid_node) throws -> [String: Attribute] {
        var result: [String: Attribute] = [:]
        for item in UnsafeBufferPointer(start: entry.attributes, count: Int(entry.attribute_count)) {
            result[String(cString: item.name)] =
                switch Int(item.kind) {
                case PELLUCID_ATTRIBUTE_INT: .int(Int(item.integer))
                case PELLUCID_ATTRIBUTE_REAL: .float(item.real)
                case PELLUCID_ATTRIBUTE_TEXT: .string(String(cString: item.text))
                case PELLUCID_ATTRIBUTE_INTS: .ints(UnsafeBufferPointer(start: item.ints, count: Int(item.count)).map { Int($0) })
                case PELLUCID_ATTRIBUTE_REALS: .floats(Array(UnsafeBufferPointer(start: item.reals, count: Int(item.count))))
                default: .tensor(try Tensor(borrowing: item.tensor.pointee))
                }
        }
        return result
    }

    func run(_ inputs: UnsafePointer<pellucid_view>?, _ outputs: UnsafePointer<pellucid_view>?) throws {
        let tensors: [Tensor?] = try sources.map { source in
            switch source {
            case .constant(let tensor): tensor
            case .fed(let position): try inputs.map { try Tensor(borrowing: $0[position]) }
            case .absent: nil
            }
        }
        let results = try op.run(Call(node: node, inputs: tensors))
        var position = 0
        for (index, output) in node.outputs.enumerated() where output != nil {
            guard index < results.count, let outputs else {
                throw Failure.failed("\(op.name) computed \(results.count) outputs, expected \(outputCount)")
            }
            try results[index].copy(to: outputs[position])
            position += 1
        }
    }
}

extension Tensor {
    /// Memory of a view, for the length of a call.
    init(borrowing view: pellucid_view) throws {
        guard let type = ElementType(rawValue: view.dtype) else { throw Failure.unsupported("element type \(view.dtype)") }
        let shape = UnsafeBufferPointer(start: view.shape, count: Int(view.rank)).map { Int($0) }
        let bytes = type.byteCount(try Shape.count(shape)) ?? 0
        try self.init(type, shape, storage: Storage(bytes: .init(start: view.data, count: bytes), free: nil))
    }

    /// Copies the elements into memory of equal type and shape.
    func copy(to view: pellucid_view) throws {
        let shape = UnsafeBufferPointer(start: view.shape, count: Int(view.rank)).map { Int($0) }
        guard type.rawValue == view.dtype, self.shape == shape else {
            throw Failure.shape("the kernel made \(type) \(Shape.text(self.shape)), the shape rule said \(Shape.text(shape))")
        }
        let dense = try contiguous()
        guard let from = dense.start, let to = view.data, let size = type.byteCount(count) else { return }
        to.copyMemory(from: from, byteCount: size)
    }
}

extension Failure {
    static func failed(_ text: String) -> Failure { Failure(.failed, text) }
}
