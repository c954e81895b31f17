import Testing

@testable import Graphs
@testable import Tensors

@Suite struct ModuleTreeTests {
    /// A chain of nodes in the given modules.
    private func tree(_ modules: [String], classes: [String: String] = [:]) -> (ModuleTree, Graph) {
        var graph = Graph()
        let type = TensorType(.float32, [1])
        var last = graph.add("x", type: type)
        graph.inputs = [last]
        for (index, module) in modules.enumerated() {
            let next = graph.add("v\(index)", type: type)
            graph.nodes.append(Node(op: "Relu", name: "n\(index)", inputs: [last], outputs: [next], origin: "Relu", module: module))
            last = next
        }
        graph.outputs = [last]
        graph.classes = classes
        return (ModuleTree(graph), graph)
    }

    @Test func modulesAreADepthFirstTree() {
        let (tree, graph) = tree(
            ["conv1", "layer1.0.conv1", "layer1.0.relu", "layer1.1.conv1", "layer1.0.relu", "layer1.1.relu", ""],
            classes: ["": "ResNet", "layer1": "Sequential", "layer1.0": "BasicBlock"])
        #expect(
            tree.modules.map(\.path) == [
                "", "conv1", "layer1", "layer1.0", "layer1.0.conv1", "layer1.0.relu", "layer1.1", "layer1.1.conv1", "layer1.1.relu",
            ])
        #expect(tree.modules.map(\.parent) == [nil, 0, 0, 2, 3, 3, 2, 6, 6])
        #expect(tree["layer1"]?.nodes == [1, 2, 3, 4, 5])
        #expect(tree["layer1"]?.kind == "Sequential" && tree["layer1.0"]?.kind == "BasicBlock" && tree["conv1"]?.kind == "Relu")
        #expect(tree["layer1.1"]?.kind == "")
        #expect(tree[""]?.kind == "ResNet")
        #expect(tree["layer1"]?.value.map { graph[$0].name } == "v5")
        #expect(tree["layer1.0"]?.value.map { graph[$0].name } == "v4")
        #expect(tree[""]?.value.map { graph[$0].name } == "v6")
    }

    /// A module's shape arithmetic may come after what it returns.
    @Test func modulesReturnNumbersBeforeShapes() {
        var graph = Graph()
        let x = graph.add("x", type: TensorType(.float32, [2])), y = graph.add("y", type: TensorType(.float32, [2]))
        let shape = graph.add("shape", type: TensorType(.int64, [1])), z = graph.add("z", type: TensorType(.float32, [2]))
        graph.inputs = [x]
        graph.outputs = [z]
        graph.nodes = [
            Node(op: "Relu", name: "a", inputs: [x], outputs: [y], module: "block"),
            Node(op: "Shape", name: "b", inputs: [y], outputs: [shape], module: "block"),
            Node(op: "Reshape", name: "c", inputs: [y, shape], outputs: [z]),
        ]
        #expect(ModuleTree(graph)["block"]?.value == y)
    }

    @Test func pathsComeFromScopesNamesAndWeights() {
        #expect(ModulePath.of(name: "/layer4/layer4.1/conv2/Conv", op: "Conv", inputs: [], scopes: nil) == "layer4.1.conv2")
        #expect(ModulePath.of(name: "model/block1/conv/Conv2D", op: "Conv", inputs: [], scopes: nil) == "model.block1.conv")
        #expect(ModulePath.of(name: "StatefulPartitionedCall/m/b/Relu", op: "Relu", inputs: [], scopes: nil) == "m.b")
        #expect(ModulePath.of(name: "Conv_0", op: "Conv", inputs: ["x", "features.0.weight"], scopes: nil) == "features.0")
        #expect(ModulePath.of(name: "Conv_0", op: "Conv", inputs: ["x", "w"], scopes: nil) == "")
        #expect(ModulePath.of(name: "n", op: "Conv", inputs: [], scopes: "['', 'layer4', 'layer4.1', 'conv']") == "layer4.1")
        let classes = ModulePath.classes("['m.ResNet', 'torch.nn.Sequential', 'aten.conv']", scopes: "['', 'layer4', 'conv2d']")
        #expect(classes.map(\.path) == ["", "layer4"] && classes.map(\.name) == ["ResNet", "Sequential"])
    }
}
