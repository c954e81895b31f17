internal import COnnx
package import Tensors

/// Reads model files: protobuf's small messages through COnnx, tensors by their place in the file.
package enum OnnxReader {
    /// Whether tensors may lie in files beside the model.
    package enum External: Sendable { case allowed, forbidden }

    /// A model file, mapped. External data must lie in its folder.
    package static func read(path: String, external: External = .allowed) throws -> OnnxModel {
        let folder = path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        let model: OnnxModel
        do {
            model = try read(Storage.map(path: path), folder: external == .allowed ? folder : nil)
        } catch let failure as Failure where failure.kind == .parse {
            throw failure.at(path)
        }
        return model
    }

    /// A model in memory, which must not change while the model lives; without a folder, external data is refused.
    package static func read(_ storage: Storage, folder: String? = nil) throws -> OnnxModel {
        guard storage.bytes.count > 0 else { throw Failure.parse("the model is empty") }
        let capacity = 512
        return try withUnsafeTemporaryAllocation(of: CChar.self, capacity: capacity) { message in
            message[0] = 0
            guard let document = onnx_open(storage.bytes.baseAddress, storage.bytes.count, message.baseAddress, capacity) else {
                throw Failure.parse("not a valid ONNX model: \(message.baseAddress.map { String(cString: $0) } ?? "")")
            }
            defer { onnx_close(document) }
            let source = OnnxSource(storage: storage, external: folder.map { ExternalFiles(folder: $0) })
            return try RecordReader(source: source).model(onnx_root(document).pointee)
        }
    }
}

/// Copies COnnx's records into Swift's.
private struct RecordReader {
    let source: OnnxSource

    func model(_ record: onnx_model) throws -> OnnxModel {
        guard let graph = record.graph?.pointee else { throw Failure.parse("not a valid ONNX model: there is no graph") }
        var model = OnnxModel()
        model.irVersion = Int(record.ir_version)
        model.version = Int(record.version)
        model.producer = text(record.producer)
        model.producerVersion = text(record.producer_version)
        model.domain = text(record.domain)
        model.doc = text(record.doc)
        model.opsets = opsets(record.opsets)
        // Files older than opset imports mean the first opset.
        if model.opsets.isEmpty, model.irVersion < 3 { model.opsets = ["": 1] }
        model.metadata = entries(record.metadata)
        model.graph = self.graph(graph, model.opsets)
        model.functions = list(record.functions.items, record.functions.count).map(function)
        return model
    }

    private func graph(_ record: onnx_graph, _ opsets: [String: Int]) -> OnnxGraph {
        OnnxGraph(
            name: text(record.name), doc: text(record.doc),
            nodes: list(record.nodes.items, record.nodes.count).map { node($0, opsets) },
            initializers: list(record.initializers.items, record.initializers.count).map(tensor),
            sparseInitializers: list(record.sparse_initializers.items, record.sparse_initializers.count).map(sparse),
            inputs: values(record.inputs), outputs: values(record.outputs), values: values(record.values),
            metadata: entries(record.metadata))
    }

    private func function(_ record: onnx_function) -> OnnxFunction {
        let opsets = opsets(record.opsets)
        return OnnxFunction(
            name: text(record.name), domain: domain(record.domain), overload: text(record.overload),
            inputs: texts(record.inputs), outputs: texts(record.outputs), attributes: texts(record.required),
            defaults: list(record.defaults.items, record.defaults.count).map { attribute($0, opsets) },
            nodes: list(record.nodes.items, record.nodes.count).map { node($0, opsets) }, values: values(record.values))
    }

    private func node(_ record: onnx_node, _ opsets: [String: Int]) -> OnnxNode {
        let domain = domain(record.domain)
        let op = text(record.op)
        let name = text(record.name)
        let attributes = list(record.attributes.items, record.attributes.count).map { attribute($0, opsets) }
        let inputs = texts(record.inputs)
        let scopes = entry(ModulePath.metadataKey, record.metadata)
        let classes = scopes == nil ? nil : entry(ModulePath.classesKey, record.metadata)
        return OnnxNode(
            name: name, op: domain.isEmpty ? op : "\(domain):\(op)", domain: domain, overload: text(record.overload),
            opset: opsets[domain], inputs: inputs, outputs: texts(record.outputs), attributes: attributes,
            module: ModulePath.of(name: name, op: op, inputs: inputs, scopes: scopes),
            classes: classes.map { ModulePath.classes($0, scopes: scopes ?? "") } ?? [])
    }

    /// The rest of the nodes' metadata, stack traces mostly, is large and names files of the exporting machine.
    private func entry(_ key: String, _ metadata: onnx_entries) -> String? {
        for entry in list(metadata.items, metadata.count) where text(entry.key) == key { return text(entry.value) }
        return nil
    }

    private func attribute(_ record: onnx_attribute, _ opsets: [String: Int]) -> OnnxAttribute {
        OnnxAttribute(name: text(record.name), reference: text(record.reference), value: value(record, opsets))
    }

    private func value(_ record: onnx_attribute, _ opsets: [String: Int]) -> OnnxAttribute.Value {
        switch Int(record.type) {
        case ONNX_INT: return .int(Int(record.i))
        case ONNX_FLOAT: return .float(record.f)
        case ONNX_STRING: return .string(text(record.s))
        case ONNX_INTS: return .ints(items(record, Int64.self).map { Int($0) })
        case ONNX_FLOATS: return .floats(items(record, Float.self).map { $0 })
        case ONNX_STRINGS: return .strings(items(record, onnx_text.self).map(text))
        case ONNX_TENSOR: return items(record, onnx_tensor.self).last.map { .tensor(tensor($0)) } ?? .none
        case ONNX_TENSORS: return .tensors(items(record, onnx_tensor.self).map(tensor))
        case ONNX_SPARSE_TENSOR: return items(record, onnx_sparse.self).last.map { .sparse(sparse($0)) } ?? .none
        case ONNX_SPARSE_TENSORS: return .sparses(items(record, onnx_sparse.self).map(sparse))
        case ONNX_GRAPH: return items(record, onnx_graph.self).last.map { .graph(graph($0, opsets)) } ?? .none
        case ONNX_GRAPHS: return .graphs(items(record, onnx_graph.self).map { graph($0, opsets) })
        case ONNX_TYPE_PROTO, ONNX_TYPE_PROTOS: return .types(items(record, onnx_type.self).map(type))
        default: return .none
        }
    }

    private func tensor(_ record: onnx_tensor) -> OnnxTensor {
        OnnxTensor(
            name: text(record.name), dataType: record.data_type,
            dims: list(record.dims.items, record.dims.count).map { Int($0) }, payload: payload(record), source: source)
    }

    private func payload(_ record: onnx_tensor) -> OnnxTensor.Payload {
        if record.is_external != 0 { return .external(entries(record.external)) }
        if record.strings.count > 0 { return .strings(texts(record.strings)) }
        if let raw = record.raw, record.raw_size > 0 { return .raw(offset(raw), record.raw_size) }
        return .typed(record.message.map(offset) ?? 0, record.message_size)
    }

    private func offset(_ place: UnsafePointer<UInt8>) -> Int {
        source.storage.bytes.baseAddress.map { UnsafeRawPointer(place) - UnsafeRawPointer($0) } ?? 0
    }

    private func sparse(_ record: onnx_sparse) -> OnnxSparseTensor {
        OnnxSparseTensor(
            values: tensor(record.values), indices: tensor(record.indices),
            dims: list(record.dims.items, record.dims.count).map { Int($0) })
    }

    private func values(_ records: onnx_values) -> [OnnxValueInfo] {
        list(records.items, records.count).map { OnnxValueInfo(name: text($0.name), type: type($0.type)) }
    }

    private func type(_ record: onnx_type) -> OnnxType {
        switch Int(record.kind) {
        case ONNX_TYPE_TENSOR: .tensor(record.element, record.dims.map { list($0, record.rank).map(dim) })
        // Sparse tensors are dense here.
        case ONNX_TYPE_SPARSE: .tensor(record.element, record.dims.map { list($0, record.rank).map(dim) })
        case ONNX_TYPE_SEQUENCE: .sequence(record.nested.map { type($0.pointee) } ?? .unset)
        case ONNX_TYPE_MAP: .map(record.element, record.nested.map { type($0.pointee) } ?? .unset)
        case ONNX_TYPE_OPTIONAL: .optional(record.nested.map { type($0.pointee) } ?? .unset)
        case ONNX_TYPE_OPAQUE: .other("opaque")
        default: .unset
        }
    }

    private func dim(_ record: onnx_dim) -> OnnxDim {
        switch Int(record.kind) {
        case ONNX_DIM_VALUE: .value(Int(record.value))
        case ONNX_DIM_NAME: .name(text(record.name))
        default: .unset
        }
    }

    private func opsets(_ records: onnx_opsets) -> [String: Int] {
        var result: [String: Int] = [:]
        for record in list(records.items, records.count) { result[domain(record.domain)] = Int(record.version) }
        return result
    }

    private func entries(_ records: onnx_entries) -> [String: String] {
        var result: [String: String] = [:]
        for record in list(records.items, records.count) { result[text(record.key)] = text(record.value) }
        return result
    }

    /// The default domain has two spellings.
    private func domain(_ record: onnx_text) -> String {
        let domain = text(record)
        return domain == "ai.onnx" ? "" : domain
    }

    private func text(_ record: onnx_text) -> String {
        String(decoding: UnsafeRawBufferPointer(start: record.bytes, count: record.size), as: UTF8.self)
    }

    private func texts(_ records: onnx_texts) -> [String] { list(records.items, records.count).map(text) }

    private func list<T>(_ items: UnsafePointer<T>?, _ count: Int) -> UnsafeBufferPointer<T> {
        UnsafeBufferPointer(start: items, count: items == nil ? 0 : count)
    }

    private func items<T>(_ record: onnx_attribute, _: T.Type) -> UnsafeBufferPointer<T> {
        list(record.items?.assumingMemoryBound(to: T.self), record.count)
    }
}
