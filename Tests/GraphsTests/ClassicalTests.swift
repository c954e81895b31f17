import Tensors
import Testing

@testable import Graphs

/// Classical models whose attributes lie, and choices that ONNX's cases do not reach.
@Suite struct ClassicalTests {
    private static let domain = "ai.onnx.ml:"

    /// One node at a version of the domain, lowered and computed.
    private func run(_ op: String, _ inputs: [Tensor], _ attributes: [String: Attribute], outputs: Int = 1) throws -> [Tensor] {
        var lowerer = Lowerer(operators: .standard), feeds: [ValueID: Tensor] = [:]
        let ids = inputs.enumerated().map { index, tensor in
            let id = lowerer.graph.add("x\(index)", type: TensorType(tensor.type, shape: tensor.shape))
            feeds[id] = tensor
            return id
        }
        let results = (0..<outputs).map { lowerer.graph.add("y\($0)") }
        let name = op.contains(":") ? op : ClassicalTests.domain + op
        try lowerer.lower(Node(op: name, name: "node", inputs: ids, outputs: results, attributes: attributes), opset: 3)
        return try evaluate(lowerer.graph, feeds: feeds, outputs: results)
    }

    private func message(_ op: String, _ inputs: [Tensor], _ attributes: [String: Attribute], outputs: Int = 1) -> String {
        do { _ = try run(op, inputs, attributes, outputs: outputs) } catch { return "\(error)" }
        return "no failure"
    }

    /// Two branches and three leaves: x₀ ≤ 0 → 1; else x₁ ≤ 0 → 2, else 4.
    private static let tree: [String: Attribute] = [
        "nodes_treeids": .ints([0, 0, 0, 0, 0]), "nodes_nodeids": .ints([0, 1, 2, 3, 4]), "nodes_featureids": .ints([0, 0, 1, 0, 0]),
        "nodes_values": .floats([0, 0, 0, 0, 0]), "nodes_modes": .strings(["BRANCH_LEQ", "LEAF", "BRANCH_LEQ", "LEAF", "LEAF"]),
        "nodes_truenodeids": .ints([1, 0, 3, 0, 0]), "nodes_falsenodeids": .ints([2, 0, 4, 0, 0]), "target_treeids": .ints([0, 0, 0]),
        "target_nodeids": .ints([1, 3, 4]), "target_ids": .ints([0, 0, 0]), "target_weights": .floats([1, 2, 4]), "n_targets": .int(1),
    ]

    private func tree(_ changes: [String: Attribute]) -> [String: Attribute] { ClassicalTests.tree.merging(changes) { $1 } }

    @Test func treesAnswer() throws {
        let x = try Tensor([-1, 5, 1, -1, 1, 1] as [Float], [3, 2])
        #expect(try run("TreeEnsembleRegressor", [x], ClassicalTests.tree)[0].doubles() == [1, 2, 4])
        let missing = try Tensor([Float.nan, 1], [1, 2])
        #expect(try run("TreeEnsembleRegressor", [missing], ClassicalTests.tree)[0].doubles() == [4])
        let tracked = tree(["nodes_missing_value_tracks_true": .ints([1, 0, 0, 0, 0])])
        #expect(try run("TreeEnsembleRegressor", [missing], tracked)[0].doubles() == [1])
    }

    @Test(arguments: [
        ("nodes_truenodeids", Attribute.ints([1, 0, 0, 0, 0]), "in a circle"),
        ("nodes_falsenodeids", .ints([9, 0, 4, 0, 0]), "does not exist"),
        ("nodes_falsenodeids", .ints([2, 0, 4]), "differ in length"),
        ("nodes_nodeids", .ints([0, 1, 2, 3, 3]), "is there twice"),
        ("nodes_featureids", .ints([-1, 0, 1, 0, 0]), "negative feature"),
        ("nodes_featureids", .ints([0, 0, 1 << 40, 0, 0]), "reads feature"),
        ("nodes_featureids", .ints([0, 0, 7, 0, 0]), "the trees read 8 features, the input has 2"),
        ("nodes_modes", .strings(["BRANCH_LEQ", "LEAF", "BRANCH_XOR", "LEAF", "LEAF"]), "node mode BRANCH_XOR"),
        ("target_ids", .ints([0, 3, 0]), "weight for output 3"),
        ("target_nodeids", .ints([1, 3, 8]), "which does not exist"),
        ("target_weights", .floats([1]), "differ in length"),
        ("n_targets", .int(-4), "-4 outputs"),
        ("n_targets", .int(1 << 50), "outputs"),
        ("base_values", .floats([1, 2]), "2 base_values for 1 targets"),
        ("aggregate_function", .string("MEDIAN"), "aggregate_function MEDIAN"),
        ("post_transform", .string("RELU"), "post_transform RELU"),
    ])
    func lyingTreesAreRefused(_ name: String, _ value: Attribute, _ expected: String) throws {
        let text = message("TreeEnsembleRegressor", [try Tensor([0, 0] as [Float], [1, 2])], tree([name: value]))
        #expect(text.contains(expected), "\(text)")
        #expect(text.contains("'node'"), "\(text)")
    }

    /// A tree as deep as it has branches is read and walked without recursion.
    @Test func deepTrees() throws {
        let depth = 20_000, count = 2 * depth + 1
        let isBranch = { (i: Int) in i % 2 == 0 && i < 2 * depth }
        let attributes: [String: Attribute] = [
            "nodes_treeids": .ints([Int](repeating: 0, count: count)), "nodes_nodeids": .ints(Array(0..<count)),
            "nodes_featureids": .ints([Int](repeating: 0, count: count)),
            "nodes_values": .floats((0..<count).map { isBranch($0) ? Double($0) : 0 }),
            "nodes_modes": .strings((0..<count).map { isBranch($0) ? "BRANCH_LEQ" : "LEAF" }),
            "nodes_truenodeids": .ints((0..<count).map { isBranch($0) ? $0 + 1 : 0 }),
            "nodes_falsenodeids": .ints((0..<count).map { isBranch($0) ? $0 + 2 : 0 }), "target_treeids": .ints([0, 0]),
            "target_nodeids": .ints([1, 2 * depth]), "target_ids": .ints([0, 0]), "target_weights": .floats([3, 5]), "n_targets": .int(1),
        ]
        let x = try Tensor([-1, 1e6] as [Float], [2, 1])
        #expect(try run("TreeEnsembleRegressor", [x], attributes)[0].doubles() == [3, 5])
    }

    @Test func lyingVectorsAreRefused() throws {
        let x = try Tensor([0, 0] as [Float], [1, 2])
        let regressor: [String: Attribute] = [
            "kernel_type": .string("RBF"), "kernel_params": .floats([1, 0, 3]), "coefficients": .floats([1, 1]), "rho": .floats([0]),
            "support_vectors": .floats([1, 2, 3, 4]), "n_supports": .int(2),
        ]
        #expect(message("SVMRegressor", [x], regressor) == "no failure")
        for (name, value) in [
            ("n_supports", Attribute.int(1 << 40)), ("support_vectors", .floats([1, 2, 3])), ("support_vectors", .floats([1, 2])),
            ("kernel_params", .floats([1])), ("rho", .floats([])), ("coefficients", .floats([1])), ("kernel_type", .string("TREE")),
        ] {
            let text = message("SVMRegressor", [x], regressor.merging([name: value]) { $1 })
            #expect(text.contains("'node'"), "\(name): \(text)")
        }
        let classifier: [String: Attribute] = [
            "coefficients": .floats([1, -1]), "rho": .floats([0]), "support_vectors": .floats([1, 2, 3, 4]),
            "vectors_per_class": .ints([1, 1]),
            "classlabels_ints": .ints([4, 5]),
        ]
        #expect(try run("SVMClassifier", [x], classifier, outputs: 2)[1].shape == [1, 2])
        for (name, value) in [
            ("vectors_per_class", Attribute.ints([1 << 60, 1 << 60])), ("vectors_per_class", .ints([-1, 3])),
            ("vectors_per_class", .ints([2])),
            ("prob_a", .floats([1])), ("rho", .floats([])), ("classlabels_ints", .ints([])),
        ] {
            let text = message("SVMClassifier", [x], classifier.merging([name: value]) { $1 }, outputs: 2)
            #expect(text.contains("'node'"), "\(name): \(text)")
        }
    }

    /// What Swift takes for one text is two for ONNX, which compares bytes.
    @Test func textsAreComparedByBytes() throws {
        let composed = "caf\u{e9}", combining = "cafe\u{301}"
        #expect(composed == combining)
        let x = try Tensor(strings: [composed, combining], [2])
        let keys: [String: Attribute] = ["keys_strings": .strings([combining, composed]), "values_int64s": .ints([1, 2])]
        #expect(try run("LabelEncoder", [x], keys)[0].integers() == [2, 1])
        #expect(try run("OneHotEncoder", [x], ["cats_strings": .strings([composed])])[0].doubles() == [1, 0])
    }

    @Test func unknownCategories() throws {
        let x = try Tensor([1, 9] as [Int64])
        #expect(try run("OneHotEncoder", [x], ["cats_int64s": .ints([1, 2])])[0].doubles() == [1, 0, 0, 0])
        #expect(message("OneHotEncoder", [x], ["cats_int64s": .ints([1, 2]), "zeros": .int(0)]).contains("element 1 is none of the 2"))
        let nan = try Tensor([Float.nan, 1, 3])
        let keys: [String: Attribute] = ["keys_floats": .floats([.nan, 1]), "values_strings": .strings(["missing", "one"])]
        #expect(try run("LabelEncoder", [nan], keys)[0].strings() == ["missing", "one", "_Unused"])
    }
}
