import Foundation
import Graphs
import Runtime
import Tensors
import Testing

/// Networks evaluated for small changes of their image: what `PatchModel` gives must be what the whole network gives.
@Suite struct PatchModelTests {
    private static let home = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    private static let files = [
        "Golden/data/cnn/model.onnx", "Golden/data/cnn/model-dynamo.onnx", "Golden/data/residual/model.onnx",
        "Golden/data/residual/model-dynamo.onnx", "Golden/data/probability/model.onnx", "Fixtures/models/fashion_cnn_gap.onnx",
        "Fixtures/models/squeezenet1_1.onnx",
    ]

    @Test(arguments: files, [1, 4]) func equalsTheWholeNetwork(_ file: String, _ edge: Int) throws {
        let path = Self.home.appendingPathComponent(file).path
        guard FileManager.default.fileExists(atPath: path) else { return }
        let model = try Model(path: path, runtime: try Runtime(), options: Options())
        let input = try #require(model.inputs.first)
        let dims = try #require(input.type?.dims)
        let shape = [1] + dims.dropFirst().map { $0.value ?? 24 }
        let random = Random(seed: 5)
        let x = try Tensor.make(shape, Float.self) { random.fillNormal($0) }
        let size = [min(edge, shape[2]), min(edge, shape[3])], batch = 6
        let target = Target(.index(1), score: .output)
        let patches = try #require(
            try PatchModel(
                model, feeds: [input.name: x], input: input.name, axes: [2, 3], size: size, limit: batch, target: target, memory: nil,
                always: true), "\(file) has no patches")
        let starts = (0..<batch).map { index -> (row: Int, column: Int) in
            let (rows, columns) = (shape[2] - size[0], shape[3] - size[1])
            // Corners first, then places in between.
            let corners = [(0, 0), (0, columns), (rows, 0), (rows, columns)]
            return index < 4
                ? corners[index]
                : (Int(random.uniform(UInt64(index)) * Double(rows)), Int(random.uniform(UInt64(index + 9)) * Double(columns)))
        }
        let change = try Tensor.make([batch] + [shape[1]] + size, Float.self) { Random(seed: 6).fillNormal($0) }
        let found = try patches.evaluate(
            change, starts: starts, over: patches.base([input.name: x], Control()), target: target, wantsEveryScore: true, Control())
        for (index, start) in starts.enumerated() {
            let whole = try x.read(Float.self) { x in
                try change.read(Float.self) { c in
                    try Tensor.make(shape, Float.self) { out in
                        for i in out.indices { out[i] = x[i] }
                        for channel in 0..<shape[1] {
                            for y in 0..<size[0] {
                                for column in 0..<size[1] {
                                    out[(channel * shape[2] + start.row + y) * shape[3] + start.column + column] =
                                        c[((index * shape[1] + channel) * size[0] + y) * size[1] + column]
                                }
                            }
                        }
                    }
                }
            }
            let expected = try model.evaluate(Evaluation([input.name: whole], target: target, wantsEveryScore: true), Control())
            let ours = try #require(found.everyScore).sliced(0, index..<(index + 1)).doubles()
            let theirs = try #require(expected.everyScore).doubles()
            let scale = max(1e-6, theirs.map(abs).max() ?? 0)
            #expect(zip(ours, theirs).allSatisfy { abs($0 - $1) <= 2e-5 * scale }, "\(file) at \(start)")
        }
    }
}
