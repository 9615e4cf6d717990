import CGraftKernels
import GraftExecution
import GraftTensor

/// The C functions for integers of a processor.
struct IntegerInstructions: Sendable {
  private let instructionSet: InstructionSet
  private let vnni: VNNIInstructions

  init(_ context: PrepareContext) {
    instructionSet = context.instructionSet
    vnni = context.vnni
  }

  var table: graft_quantized_table { instructionSet.kernels.pointee.quantized.pointee }

  /// The product of bytes with packed weights.
  var product: graft_integer_product {
    graft_integer_product_for(instructionSet.rawValue, vnni.rawValue).pointee
  }

  /// The product for each channel alone.
  var depthwise: graft_integer_product { table.depthwise.pointee }
}

extension graft_integer_product {
  /// Whether activations are bytes, which include their zero point; otherwise it is subtracted.
  var keepsZeroPoints: Bool { activation_form == Int32(GRAFT_ACTIVATIONS_BYTES) }

  /// The bytes of an activation.
  var activationWidth: Int { keepsZeroPoints ? 1 : 2 }

  /// A number of depths, padded to whole groups.
  func paddedDepth(_ depth: Int) -> Int { (depth + group_depth - 1) / group_depth * group_depth }

  /// A number of columns, padded to whole panels.
  func paddedColumns(_ columns: Int) -> Int {
    (columns + panel_columns - 1) / panel_columns * panel_columns
  }
}

/// Integers of 8 bits, as the kernels see them.
struct ByteKind: Sendable {
  let isSigned: Bool

  init(_ type: ElementType) { isSigned = type.isSignedInteger }

  /// The integer at an index.
  func integer(_ bytes: UnsafeRawPointer, _ index: Int = 0) -> Int32 {
    let byte = bytes.load(fromByteOffset: index, as: UInt8.self)
    return isSigned ? Int32(Int8(bitPattern: byte)) : Int32(byte)
  }

  /// As unsigned bytes, activations are this much larger.
  var activationShift: Int32 { isSigned ? 128 : 0 }

  /// As signed bytes, weights are this much smaller.
  var weightShift: Int32 { isSigned ? 0 : 128 }
}
