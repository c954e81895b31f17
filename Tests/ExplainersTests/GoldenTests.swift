import Explainers
import Graphs
import Runtime
import Tensors
import Testing

/// Every golden tensor that a method of this library can compute, on both exporters' files.
@Suite struct GoldenTests {
    /// Largest absolute difference over largest absolute value.
    private static let tolerance = 1e-3

    private static let cases: [(String, String)] = GoldenCase.names.flatMap { name in
        ["model.onnx", "model-dynamo.onnx"].map { (name, $0) }
    }

    @Test(arguments: cases) func agreesWithTheReference(_ name: String, _ file: String) throws {
        let golden = try GoldenCase(name)
        let model = try golden.model(file)
        var compared = 0
        for check in golden.checks {
            guard let got = try compute(check, golden, file, model) else { continue }
            let gap = try difference(got, golden.tensor(check.tensor))
            #expect(gap < Self.tolerance, "\(name)/\(file) \(check.tensor): \(gap)")
            compared += 1
        }
        #expect(compared >= 15, "only \(compared) comparisons")
    }

    /// nil: a method that this library does not have yet, or a weight that the exporter renamed.
    private func compute(_ check: GoldenCase.Check, _ golden: GoldenCase, _ file: String, _ model: Model) throws -> Tensor? {
        let x = try golden.tensor("x")
        let score = Target.Score(rawValue: check.score ?? "output") ?? .output
        let target = Target(check.target.map { .each($0) } ?? .argmax, score: score)
        let feeds = [golden.input: x]
        switch check.what {
        case "forward":
            let name = check.layer.map { golden.layer($0, in: file) } ?? golden.output
            return try model.evaluate(Evaluation(feeds, wanted: [name]), Control()).value(name)
        case "gradient":
            let name = check.layer.map { golden.layer($0, in: file) } ?? check.wrt ?? golden.input
            guard model.graph.id(of: name) != nil else { return nil }
            return try model.evaluate(Evaluation(feeds, target: target, gradients: [name]), Control()).gradient(name)
        case "neuron": return try neuron(check, golden, file, model, feeds)
        default:
            guard let options = try options(check, golden, file) else { return nil }
            // Zero by the invariance of the LayerNormalization that alone reads this layer: what float32 leaves is rounding.
            if check.tensor == "pytorch-grad-cam/hires-cam/blocks.0" { return nil }
            if check.what.hasPrefix("eigen-") { return try eitherSign(check, golden, file, model) }
            let result = try MethodList.explain(
                check.what, model: model, feeds: feeds, target: target, options: options, control: Control())
            if let delta = check.delta {
                let gaps = try #require(result.tensors["completeness_gaps"]).doubles()
                for (ours, captum) in zip(gaps, try golden.tensor(delta).doubles()) {
                    #expect(abs(ours - captum) < 1e-3, "\(check.tensor) gap \(ours), \(captum)")
                }
            }
            return try fitted(try #require(result.tensors["map"]), golden.tensor(check.tensor).shape)
        }
    }

    /// The sign of a principal component is arbitrary before the map is rectified: the nearer of the two.
    private func eitherSign(_ check: GoldenCase.Check, _ golden: GoldenCase, _ file: String, _ model: Model) throws -> Tensor? {
        guard var options = try options(check, golden, file) else { return nil }
        let expected = try golden.tensor(check.tensor)
        let maps = try ["false", "true"].map { flip in
            options["flip"] = .text(flip)
            let result = try MethodList.explain(
                check.what, model: model, feeds: [golden.input: golden.tensor("x")],
                target: Target(check.target.map { .each($0) } ?? .argmax, score: .output), options: options, control: Control())
            return try fitted(try #require(result.tensors["map"]), expected.shape)
        }
        // Each image has a sign of its own.
        let size = expected.count / max(1, expected.shape[0])
        let wanted = try expected.doubles(), found = try maps.map { try $0.doubles() }
        let nearest = (0..<expected.shape[0]).flatMap { image in
            let part = image * size..<(image + 1) * size
            func gap(_ map: [Double]) -> Double { zip(map[part], wanted[part]).map { abs($0 - $1) }.max() ?? 0 }
            return Array((gap(found[0]) <= gap(found[1]) ? found[0] : found[1])[part])
        }
        return try Tensor(nearest.map { Float($0) }, expected.shape)
    }

    /// Maps of pytorch-grad-cam have no channel axis.
    private func fitted(_ map: Tensor, _ shape: [Int]) throws -> Tensor { map.count == shape.reduce(1, *) ? try map.reshaped(shape) : map }

    private func options(_ check: GoldenCase.Check, _ golden: GoldenCase, _ file: String) throws -> Options? {
        var options = Options()
        switch check.what {
        case "saliency": options["abs"] = .integer(check.abs == false ? 0 : 1)
        case "input-x-gradient": break
        case "smoothgrad":
            options["kind"] = .text(check.kind ?? "smoothgrad")
            options["noise_samples"] = .tensor(try golden.tensor(check.noise ?? "noise"))
        case "integrated-gradients":
            options["quadrature"] = .text(check.method == "riemann_trapezoid" ? "captum_trapezoid" : check.method ?? "gausslegendre")
            options["n_steps"] = .integer(check.n_steps ?? 50)
            options["baseline"] = .real(check.baseline ?? 0)
        case "occlusion":
            options["sliding_window_shapes"] = .text((check.sliding_window_shapes ?? []).map(String.init).joined(separator: ","))
            options["strides"] = .text((check.strides ?? []).map(String.init).joined(separator: ","))
            options["baseline"] = .real(check.baseline ?? 0)
        case "guided-backprop", "deconvolution":
            options["apply_to"] = .text(rectifiers(check))
        case "guided-grad-cam":
            options["layer"] = .text(golden.layer(check.layer ?? "", in: file))
            options["interp"] = .text(check.interpolation == "nearest" ? "nearest" : "half_pixel")
            options["apply_to"] = .text("relu")
        case "cam", "grad-cam", "grad-cam++", "xgrad-cam", "hires-cam", "layer-cam", "grad-cam-elementwise", "eigen-cam", "eigen-grad-cam",
            "score-cam", "ablation-cam":
            if check.what.hasPrefix("eigen-") { options["center"] = .integer(1) }
            if check.what == "score-cam" { options["mode"] = .text("pytorch-grad-cam") }
            if check.what == "ablation-cam" { options["divide_by"] = .text("score") }
            if check.what != "cam" {
                let names = (check.layers ?? [check.layer].compactMap { $0 }).map { golden.layer($0, in: file) }
                options["layer"] = .text(names.joined(separator: ","))
                if let reshape = check.reshape { options["grid"] = .text(reshape.grid.map(String.init).joined(separator: ",")) }
            }
            options["relu"] = .integer(check.relu == true ? 1 : 0)
            options["normalize"] = .integer(check.normalize == true ? 1 : 0)
            options["resize"] = .text(check.resize == nil ? "none" : "input")
        default: return nil
        }
        return options
    }

    private func rectifiers(_ check: GoldenCase.Check) -> String { check.rectifiers?.contains("Clip") ?? false ? "rectifiers" : "relu" }

    private func neuron(_ check: GoldenCase.Check, _ golden: GoldenCase, _ file: String, _ model: Model, _ feeds: [String: Tensor]) throws
        -> Tensor?
    {
        guard let attribution = check.attribution, let layer = check.layer, let unit = check.neuron else { return nil }
        var options = Options(), method = attribution
        options["neuron_layer"] = .text(golden.layer(layer, in: file))
        options["unit"] = .text(unit.map(String.init).joined(separator: ","))
        options["select"] = .text("neuron")
        switch attribution {
        case "gradient": (method, options["abs"]) = ("saliency", .integer(0))
        case "integrated-gradients":
            options["n_steps"] = .integer(check.n_steps ?? 50)
            options["baseline"] = .real(check.baseline ?? 0)
        default: options["apply_to"] = .text(rectifiers(check))
        }
        return try MethodList.explain(method, model: model, feeds: feeds, target: Target(), options: options, control: Control())
            .tensors["map"]
    }
}

/// Largest absolute difference over largest absolute value.
func difference(_ a: Tensor, _ b: Tensor) throws -> Double {
    guard a.shape == b.shape else { return .infinity }
    let x = try a.doubles(), y = try b.doubles()
    let gap = zip(x, y).map { abs($0 - $1) }.max() ?? 0
    return gap.isNaN ? .infinity : gap == 0 ? 0 : gap / max(y.map(abs).max() ?? 0, 1e-30)
}
