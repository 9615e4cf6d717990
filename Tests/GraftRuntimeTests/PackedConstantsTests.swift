import GraftExecution
import GraftFiles
import GraftRuntime
import GraftTensor
import Testing

/// Forms of constants that a compiled model brings along.
@Suite struct PackedConstantsTests {
  private func packed(_ item: Tensor) throws -> (Tensor, hasAdditions: Bool) {
    let source = try Tensor([1, 2, 3, 4] as [Float], shape: [4])
    let constants = PackedConstants(items: [
      PackedConstants.Item(
        source: source, format: "form", packed: item, fingerprint: try item.fingerprint(threads: 1))
    ])
    let packed = try constants.packed(
      source, format: "form", elementType: .float, count: 4, taskCount: 1
    ) { from, _, to in to.copyMemory(from: from, byteCount: 16) }
    return (packed, constants.hasAdditions)
  }

  @Test func formsOfTheRightKindAreUsed() throws {
    let (tensor, hasAdditions) = try packed(try Tensor([5, 6, 7, 8] as [Float], shape: [4]))
    #expect(try tensor.elements(as: Float.self) == [5, 6, 7, 8])
    #expect(!hasAdditions)
  }

  @Test func othersAreMadeAnew() throws {
    let storage = try Storage.heap(byteCount: 17)
    let others = [
      try Tensor([5] as [Float], shape: [1]), try Tensor([] as [Float], shape: [0]),
      try Tensor([5, 6, 7, 8, 9] as [Float], shape: [5]),
      try Tensor([5, 6, 7, 8] as [Float], shape: [2, 2]),
      try Tensor([5, 6, 7, 8] as [Int32], shape: [4]),
      try Tensor([5, 6, 7, 8] as [Double], shape: [4]),
      try Tensor(elementType: .float, shape: [4], storage: storage, byteOffset: 1),
    ]
    for other in others {
      let (tensor, hasAdditions) = try packed(other)
      #expect(try tensor.elements(as: Float.self) == [1, 2, 3, 4])
      #expect(hasAdditions)
    }
  }

  /// Plans that are only measured know how much their forms take, and make none.
  @Test func formsThatAreMeasuredAreNotWritten() throws {
    let source = try Tensor([1, 2, 3, 4] as [Float], shape: [4])
    let constants = PackedConstants(isWritten: false)
    let packed = try constants.packed(
      source, format: "form", elementType: .float, count: 4, taskCount: 1
    ) { from, _, to in to.copyMemory(from: from, byteCount: 16) }
    #expect(try packed.elements(as: Float.self) == [0, 0, 0, 0])
    #expect(constants.byteCount == 16)
    let executable = try Executable(ConvolutionNetwork.graph())
    let planned = try executable.plannedByteCount(batch: 8)
    #expect(executable.packedConstants.byteCount == 0)
    _ = try Session(executable).run([try ConvolutionNetwork.input([8, 3, 8, 8])])
    let packedByteCount = executable.packedConstants.byteCount
    #expect(packedByteCount > 0 && packedByteCount < planned)
  }
}
