internal import CPellucid
internal import Graphs
internal import Runtime
internal import Tensors

/// Conversions of the structs that calls share: feeds, targets, control.

/// Feeds by value name; a NULL name means the only input.
func tensors(_ feeds: UnsafePointer<pellucid_feed>?, _ count: Int32, _ model: Model) throws -> [String: Tensor] {
    var result: [String: Tensor] = [:]
    for feed in try array(feeds, count, "feeds") {
        let name: String
        if let given = feed.name {
            name = try model.names.resolve(try text(given, "feed name"))
        } else {
            guard model.inputs.count == 1, let only = model.inputs.first else {
                throw Failure.invalid(
                    "a feed has no name, but the model has \(model.inputs.count) inputs: \(model.inputs.map { "'\($0.name)'" }.joined(separator: ", "))"
                )
            }
            name = only.name
        }
        guard result[name] == nil else { throw Failure.invalid("'\(name)' is fed twice") }
        result[name] = try object(feed.tensor, TensorHandle.self, "the tensor of feed '\(name)'").tensor
    }
    return result
}

extension Target {
    /// From the caller's struct; NULL is the best class.
    init(_ pointer: UnsafePointer<pellucid_target>?) throws {
        guard let pointer else { self.init(); return }
        var defaults = pellucid_target()
        defaults.struct_size = MemoryLayout<pellucid_target>.size
        let given = try read(pointer, default: defaults, "target")
        let scores: [Target.Score] = [.auto, .logit, .probability, .output]
        guard scores.indices.contains(Int(given.score)) else { throw Failure.invalid("target score \(given.score) is not known") }
        let output = try given.output.map { try text($0, "target output") }
        self.init(try Target.kind(given), score: scores[Int(given.score)], output: output)
    }

    private static func kind(_ given: pellucid_target) throws -> Kind {
        switch Int(given.kind) {
        case PELLUCID_TARGET_ARGMAX: return .argmax
        case PELLUCID_TARGET_CLASS: return .index(Int(given.index))
        case PELLUCID_TARGET_EACH: return .each(try array(given.indices, given.index_count, "target indices").map { Int($0) })
        case PELLUCID_TARGET_SUM: return .sum(try array(given.indices, given.index_count, "target indices").map { Int($0) })
        case PELLUCID_TARGET_MASK: return .mask(Int(given.index), try object(given.weights, TensorHandle.self, "target weights").tensor)
        case PELLUCID_TARGET_WEIGHTS: return .weights(try object(given.weights, TensorHandle.self, "target weights").tensor)
        default: throw Failure.invalid("target kind \(given.kind) is not known")
        }
    }
}

extension Control {
    /// From the caller's struct; NULL asks for nothing.
    convenience init(_ pointer: UnsafePointer<pellucid_control>?, _ model: Model) throws {
        guard let pointer else { self.init(); return }
        var defaults = pellucid_control()
        defaults.struct_size = MemoryLayout<pellucid_control>.size
        let given = try read(pointer, default: defaults, "control")
        let progress = given.progress.map { fn in
            { (fraction: Double, stage: String) in stage.withCString { fn(fraction, $0, given.payload) } != 0 }
        }
        let cancel = given.cancel.map { flag in { flag.pointee != 0 } }
        guard given.deadline >= 0, !given.deadline.isNaN else { throw Failure.invalid("control deadline is \(given.deadline)") }
        let hooks = try array(given.hooks, given.hook_count, "hooks").map { try Hook($0, model) }
        self.init(progress: progress, isCancelled: cancel, deadline: given.deadline > 0 ? given.deadline : nil, hooks: hooks)
    }
}

extension Hook {
    fileprivate init(_ given: pellucid_hook, _ model: Model) throws {
        let asked = try text(given.value, "hook value")
        guard let fn = given.fn else { throw Failure.invalid("the hook on '\(asked)' has no function") }
        guard given.phase == PELLUCID_FORWARD || given.phase == PELLUCID_BACKWARD else {
            throw Failure.invalid("hook phase \(given.phase) is not known")
        }
        let payload = given.payload
        self.init(try model.names.resolve(asked), phase: given.phase == PELLUCID_FORWARD ? .forward : .backward) { _, value in
            let handle = retained(TensorHandle(value))
            defer { release(handle, TensorHandle.self) }
            var replacement: OpaquePointer?
            // The caller's own name for the value, so that a callback can tell its hooks apart.
            let status = asked.withCString { fn($0, handle, &replacement, payload) }
            defer { release(replacement, TensorHandle.self) }
            guard status == 0 else { throw Failure(.callback, "the hook on '\(asked)' reported failure \(status)") }
            return try replacement.map { try object($0, TensorHandle.self, "the hook's replacement").tensor }
        }
    }
}
