import Testing

@testable import Graphs
@testable import Tensors

@Suite struct FlopsTests {
    @Test func everyOperatorHasARule() {
        #expect(OperatorSet.standard.all.map(\.name).filter { !Flops.knows($0) } == [])
    }
}
