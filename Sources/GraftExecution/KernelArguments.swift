/// The memory of a kernel's inputs, outputs and scratch.
package struct KernelArguments: @unchecked Sendable {
  let inputs: UnsafeBufferPointer<UnsafeMutableRawPointer?>
  let outputs: UnsafeBufferPointer<UnsafeMutableRawPointer?>
  /// The scratch memory shared by all tasks, ``PreparedKernel/scratchByteCount`` bytes, aligned to
  /// 64.
  package let scratch: UnsafeMutableRawPointer?
  let workerScratchBase: UnsafeMutableRawPointer?
  let workerScratchStride: Int
  /// The pool's worker that runs this task, from 0.
  package internal(set) var worker = 0
  /// How far the loops of the run had come when the step's graph began; 0 outside of loops.
  package var trip = 0

  package init(
    inputs: UnsafeBufferPointer<UnsafeMutableRawPointer?>,
    outputs: UnsafeBufferPointer<UnsafeMutableRawPointer?>,
    scratch: UnsafeMutableRawPointer?, workerScratchBase: UnsafeMutableRawPointer?,
    workerScratchStride: Int
  ) {
    self.inputs = inputs
    self.outputs = outputs
    self.scratch = scratch
    self.workerScratchBase = workerScratchBase
    self.workerScratchStride = workerScratchStride
  }

  /// The scratch memory of this worker, ``PreparedKernel/workerScratchByteCount`` bytes, aligned to
  /// 64.
  package var workerScratch: UnsafeMutableRawPointer? {
    workerScratchBase.map { $0 + worker * workerScratchStride }
  }

  package func hasInput(_ index: Int) -> Bool { index < inputs.count && inputs[index] != nil }
  package func hasOutput(_ index: Int) -> Bool { index < outputs.count && outputs[index] != nil }

  package func input(_ index: Int) -> UnsafeRawPointer { UnsafeRawPointer(inputs[index]!) }
  package func output(_ index: Int) -> UnsafeMutableRawPointer { outputs[index]! }

  package func input<Element>(_ index: Int, as: Element.Type) -> UnsafePointer<Element> {
    UnsafePointer(inputs[index]!.assumingMemoryBound(to: Element.self))
  }

  package func output<Element>(_ index: Int, as: Element.Type) -> UnsafeMutablePointer<Element> {
    outputs[index]!.assumingMemoryBound(to: Element.self)
  }

  package func optionalInput<Element>(
    _ index: Int, as: Element.Type
  ) -> UnsafePointer<Element>? {
    guard index < inputs.count else { return nil }
    return inputs[index].map { UnsafePointer($0.assumingMemoryBound(to: Element.self)) }
  }

  package func optionalOutput<Element>(
    _ index: Int, as: Element.Type
  ) -> UnsafeMutablePointer<Element>? {
    guard index < outputs.count else { return nil }
    return outputs[index]?.assumingMemoryBound(to: Element.self)
  }
}
