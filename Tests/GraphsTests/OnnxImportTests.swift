import Graphs
import Tensors
import Testing

/// What the importer makes of small models, and what it says about broken ones.
@Suite struct OnnxImportTests {
    private func model(
        _ nodes: [OnnxBytes], inputs: [OnnxBytes] = [.value("x", [2, 3])], weights: [OnnxBytes] = [], functions: [OnnxBytes] = []
    ) throws -> OnnxModel {
        let graph = OnnxBytes.graph(nodes, inputs: inputs, outputs: [.value("y", nil)], weights: weights)
        return try OnnxReader.read(OnnxBytes.model(graph, functions: functions).storage())
    }

    private func graph(_ nodes: [OnnxBytes], inputs: [OnnxBytes] = [.value("x", [2, 3])], functions: [OnnxBytes] = []) throws -> Graph {
        try OnnxImport.importModel(model(nodes, inputs: inputs, functions: functions), operators: .standard)
    }

    private func message(_ nodes: [OnnxBytes], inputs: [OnnxBytes] = [.value("x", [2, 3])]) -> String {
        do { _ = try graph(nodes, inputs: inputs) } catch { return "\(error)" }
        return "no failure"
    }

    @Test func nodesAreSortedAndNamed() throws {
        let graph = try graph([.node("Relu", ["a"], ["y"]), .node("Tanh", ["x"], ["a"], name: "first")])
        #expect(graph.nodes.map(\.name) == ["first", "y"])
        #expect(graph.nodes.map(\.label) == ["Tanh 'first'", "Relu 'y'"])
    }

    /// Operators that Pellucid makes for itself trust what made them.
    @Test(arguments: ["MaxPoolGrad", "ConvGradInput", "SliceGrad", "Silu"]) func filesCannotNameInternalOperators(_ op: String) {
        #expect(message([.node(op, ["x", "x"], ["y"], name: "n")]) == "\(op) 'n': operator \(op) is not supported")
    }

    @Test func messagesNameTheNode() {
        #expect(
            message([.node("Conv2", ["x"], ["y"], name: "c", domain: "my.domain")])
                == "Conv2 'c': operator my.domain:Conv2 is not supported")
        let two = message([.node("Foo", ["x"], ["a"]), .node("Bar", ["a"], ["y"]), .node("Foo", ["x"], ["z"])])
        #expect(two == "2 operators are not supported: Foo ('a', 2 nodes), Bar ('y')")
        #expect(message([.node("Relu", ["w"], ["y"], name: "r")]) == "Relu 'r': input 'w' is no input, weight or output of a node")
        #expect(message([.node("Relu", ["x"], ["z"])]) == "output 'y' is never computed")
        let cycle = message([.node("Relu", ["b"], ["a"]), .node("Tanh", ["a"], ["b"]), .node("Relu", ["a"], ["y"])])
        #expect(cycle == "nodes form a cycle: Relu 'a', Tanh 'b' (2 in all)")
        #expect(
            message([.node("Relu", ["x"], ["y"]), .node("Tanh", ["x"], ["y"], name: "t")])
                == "value 'y' is defined twice: by Relu 'y' and by Tanh 't'")
    }

    @Test func openSizesBecomeSymbols() throws {
        let graph = try graph([.node("Relu", ["x"], ["y"])], inputs: [.value("x", [-1, 3, 0])])
        #expect(graph[graph.inputs[0]].type?.description == "float32 x.0x3xx.2")
        #expect(graph[graph.outputs[0]].type == graph[graph.inputs[0]].type)
    }

    @Test func halfPrecisionWeightsAreWidened() throws {
        let weight = OnnxBytes.tensor("w", 10, [2]).data(9, [0x00, 0x3C, 0x00, 0xC0])
        let cast = OnnxBytes.node("Cast", ["x"], ["h"], attributes: [OnnxBytes().text(1, "to").number(3, 10).number(20, 2)])
        let graph = try OnnxImport.importModel(
            model([cast, .node("Add", ["h", "w"], ["y"])], inputs: [.value("x", [2])], weights: [weight]), operators: .standard)
        let id = try #require(graph.id(of: "w"))
        #expect(try graph[id].constant?.array(Float.self) == [1, -2])
        #expect(graph[graph.outputs[0]].type == TensorType(.float32, shape: [2]))
    }

    @Test func functionsNestAndKeepNamesApart() throws {
        func function(_ name: String, _ nodes: [OnnxBytes]) -> OnnxBytes {
            nodes.reduce(OnnxBytes().text(1, name).text(4, "a").text(5, "b")) { $0.message(7, $1) }
                .message(9, OnnxBytes().text(1, "").number(2, 17)).text(10, "local")
        }
        let inner = function("Inner", [.node("Relu", ["a"], ["t"]), .node("Tanh", ["t"], ["b"])])
        let outer = function("Outer", [.node("Inner", ["a"], ["t"], domain: "local"), .node("Inner", ["t"], ["b"], domain: "local")])
        let graph = try graph(
            [.node("Outer", ["x"], ["t"], name: "one", domain: "local"), .node("Outer", ["t"], ["y"], domain: "local")],
            functions: [outer, inner])
        #expect(graph.nodes.map(\.op) == ["Relu", "Tanh", "Relu", "Tanh", "Relu", "Tanh", "Relu", "Tanh"])
        #expect(Set(graph.values.map(\.name)).count == graph.values.count)
        #expect(graph.nodes[0].name == "one/t/t")
    }

    /// A branch inside a function may name its result as the caller names what the function is given.
    @Test func branchesOfFunctionsHideNothingOfTheCaller() throws {
        func branch(_ op: String) -> OnnxBytes { .graph([.node(op, ["a"], ["x"])], inputs: [], outputs: [.value("x", nil)]) }
        let branches = [("then_branch", "Relu"), ("else_branch", "Tanh")].map { name, op in
            OnnxBytes().text(1, name).message(6, branch(op)).number(20, 5)
        }
        let choose = OnnxBytes().text(1, "Choose").text(4, "c").text(4, "a").text(5, "b")
            .message(7, .node("If", ["c"], ["b"], attributes: branches)).message(9, OnnxBytes().text(1, "").number(2, 17)).text(10, "local")
        let condition: [OnnxBytes] = [
            .node("ReduceSum", ["x"], ["s"]),
            .node("Cast", ["s"], ["c"], attributes: [OnnxBytes().text(1, "to").number(3, 9).number(20, 2)]),
        ]
        let graph = try graph(condition + [.node("Choose", ["c", "x"], ["y"], domain: "local")], functions: [choose])
        let node = try #require(graph.nodes.first { $0.op == "If" })
        let inner = try #require(node.attributes["then_branch"]?.graph)
        #expect(inner.inputs.map { inner[$0].name } == ["x"])
        #expect(inner.outputs.map { inner[$0].name } == ["x#2"])
    }

    @Test func branchesReceiveWhatTheyRead() throws {
        func branch(_ nodes: [OnnxBytes], _ output: String) -> OnnxBytes { .graph(nodes, inputs: [], outputs: [.value(output, nil)]) }
        let yes = branch([.node("Add", ["p", "x"], ["r"])], "r")
        // `q` is local here and captured there.
        let no = branch([.node("Relu", ["x"], ["q"]), .node("Add", ["q", "p"], ["r"])], "r")
        let attributes = [
            OnnxBytes().text(1, "then_branch").message(6, yes).number(20, 5),
            OnnxBytes().text(1, "else_branch").message(6, no).number(20, 5),
        ]
        let nodes: [OnnxBytes] = [
            .node("Probe", ["x"], ["y"], attributes: attributes), .node("Relu", ["x"], ["p"]), .node("Tanh", ["x"], ["q"]),
        ]
        // An operator that keeps its graphs, whatever the library makes of If.
        let probe = Operator("Probe", arity: 1...9, infer: { [try $0.type(0)] }, compute: { [try $0.tensor(0)] }, vjp: nil)
        let operators = OperatorSet(OperatorSet.standard.all + [probe])
        let graph = try OnnxImport.importModel(model(nodes), operators: operators)
        let node = try #require(graph.nodes.first { $0.op == "Probe" })
        let captures = node.inputs.dropFirst().map { $0.map { graph[$0].name } }
        for name in ["then_branch", "else_branch"] {
            let body = try #require(node.attributes[name]?.graph)
            #expect(body.inputs.map { body[$0].name } == captures)
            #expect(body[body.outputs[0]].type == TensorType(.float32, shape: [2, 3]))
        }
        #expect(Set(captures) == ["p", "x"])
    }

    @Test func modulesComeFromScopesOrNames() throws {
        func module(_ name: String, _ scopes: String? = nil) throws -> String {
            var node = OnnxBytes.node("Relu", ["x"], ["y"], name: name)
            if let scopes { node = node.message(9, OnnxBytes().text(1, "pkg.torch.onnx.name_scopes").text(2, scopes)) }
            return try graph([node]).nodes[0].module
        }
        #expect(try module("node_1", "['', 'layer4', 'layer4.1', 'layer4.1.relu', 'relu_2']") == "layer4.1.relu")
        #expect(try module("node_1", "['', 'relu']") == "")
        #expect(try module("/layer4/layer4.1/relu/Relu") == "layer4.1.relu")
        #expect(try module("/features/features.0/features.0.1/Relu_3") == "features.0.1")
        #expect(try module("/encoder/layers/layers.0/act/Relu") == "encoder.layers.0.act")
        #expect(try module("Relu_4") == "")
        #expect(try module("/Relu") == "")
    }
}
