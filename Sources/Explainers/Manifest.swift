internal import Graphs
internal import Runtime
internal import Tensors

/// The account of one explanation, as JSON.
package struct Manifest {
    let method: Method
    let request: Request
    let settings: Settings

    package init(method: Method, request: Request, settings: Settings) {
        self.method = method
        self.request = request
        self.settings = settings
    }

    package func explanation(_ findings: Findings) throws -> Explanation {
        let straight = request.isStraightThrough ? [Manifest.straightThrough] : []
        let warnings = try findings.warnings + stop(findings) + diagnosis(findings) + straight
        var numbers = findings.numbers
        if let score = request.scores.first { numbers["score"] = score }
        let members: [String: JSON] = [
            "schema": .integer(1),
            "method": .string(method.name),
            "family": .string(method.family),
            "reference": .string(method.reference),
            "options": settings.resolved(findings.chosen),
            "input": .string(request.input),
            "layer": findings.chosen["layer"] ?? .null,
            "target": target,
            "scores": .array(request.scores.map { .number($0) }),
            "classes": .array(request.classes.map { .integer($0) }),
            "seed": .integer(Int(Int64(bitPattern: request.seed))),
            "data": findings.data,
            "numbers": .object(findings.numbers.mapValues { .number($0) }),
            "tensors": .object(findings.tensors.mapValues { .array($0.shape.map { .integer($0) }) }),
            "model": .object([
                "hash": .string(request.model.metadata("hash") ?? ""), "graph": .string(request.model.metadata("graph") ?? ""),
            ]),
            "pellucid": .string("\(Library.version)"),
            "backend": .string(request.model.backend),
            "threads": .integer(request.model.runtime.threads),
            "forwards": .integer(request.control.forwards),
            "backwards": .integer(request.control.backwards),
            "peak_bytes": .integer(request.control.peakBytes),
            "seconds": .number(request.control.seconds),
            "completeness_gap": findings.numbers["completeness_gap"].map { .number($0) } ?? .null,
            "stopped": request.isStopped ? .string("deadline") : .null,
            "warnings": .array(warnings.map { .string($0) }),
        ]
        let tensors = try findings.tensors.merging(perImage()) { found, _ in found }
        let origin = Origin(method: method.name, options: settings.given, target: try request.explained, images: request.images)
        return Explanation(tensors: tensors, numbers: numbers, manifest: JSON.object(members).text, origin: origin)
    }

    /// What the manifest says of each image, for callers that do not read JSON.
    private func perImage() throws -> [String: Tensor] {
        var tensors: [String: Tensor] = [:]
        if !request.scores.isEmpty { tensors["scores"] = try Tensor(request.scores) }
        if !request.classes.isEmpty { tensors["classes"] = try Tensor(request.classes.map { Int64($0) }) }
        return tensors
    }

    private static let straightThrough =
        "gradients pass straight through quantisation: rounding counts as the identity within the clipped range and as a constant outside"

    private var target: JSON {
        var kind: [String: JSON] = ["score": .string(request.target.score.rawValue)]
        switch request.target.kind {
        case .argmax: kind["kind"] = .string("argmax")
        case .index(let index): kind.merge(["kind": .string("class"), "index": .integer(index)]) { $1 }
        case .each(let indices): kind.merge(["kind": .string("each"), "indices": .array(indices.map { .integer($0) })]) { $1 }
        case .sum(let indices): kind.merge(["kind": .string("sum"), "indices": .array(indices.map { .integer($0) })]) { $1 }
        case .mask(let index, let mask):
            kind.merge(["kind": .string("mask"), "index": .integer(index), "shape": .array(mask.shape.map { .integer($0) })]) { $1 }
        case .weights(let tensor): kind.merge(["kind": .string("weights"), "shape": .array(tensor.shape.map { .integer($0) })]) { $1 }
        }
        kind["output"] = request.target.output.map { .string($0) } ?? request.model.outputs.first.map { .string($0.name) } ?? .null
        return .object(kind)
    }

    private func stop(_ findings: Findings) -> [String] {
        guard request.isStopped else { return [] }
        let taken = findings.numbers["samples"].map { " after \(Int($0)) samples of each image" } ?? ""
        return ["the deadline ended the method\(taken): the result is coarser than what was asked for"]
    }

    /// Words for maps that would look like an empty or broken picture.
    private func diagnosis(_ findings: Findings) throws -> [String] {
        guard let map = findings.tensors["map"], map.type == .float32 else { return [] }
        return try map.read(Float.self) { values in
            if values.contains(where: { !$0.isFinite }) { return ["the map has NaN or infinite elements"] }
            if values.allSatisfy({ $0 == 0 }) {
                return [
                    "the map is zero everywhere: nothing that the method looks at changes the target's score, or relu removed a map that is negative everywhere"
                ]
            }
            return []
        }
    }
}
