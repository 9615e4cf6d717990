/// The element types of ONNX, numbered like `TensorProto.DataType`.
///
/// Source: <https://onnx.ai/onnx/intro/concepts.html#element-type>
package enum ElementType: Int32, Sendable, Hashable, CaseIterable {
  case float = 1
  case uint8 = 2
  case int8 = 3
  case uint16 = 4
  case int16 = 5
  case int32 = 6
  case int64 = 7
  case string = 8
  case bool = 9
  case float16 = 10
  case double = 11
  case uint32 = 12
  case uint64 = 13
  case complex64 = 14
  case complex128 = 15
  case bfloat16 = 16
  case float8e4m3fn = 17
  case float8e4m3fnuz = 18
  case float8e5m2 = 19
  case float8e5m2fnuz = 20
  case uint4 = 21
  case int4 = 22
  case float4e2m1 = 23
  case float8e8m0 = 24
  case uint2 = 25
  case int2 = 26
}

extension ElementType {
  /// Bits of one element in ONNX's packed form; 0 for strings.
  package var bitWidth: Int {
    switch self {
    case .string: 0
    case .uint2, .int2: 2
    case .uint4, .int4, .float4e2m1: 4
    case .bool, .uint8, .int8, .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz,
      .float8e8m0:
      8
    case .uint16, .int16, .float16, .bfloat16: 16
    case .float, .int32, .uint32: 32
    case .double, .int64, .uint64, .complex64: 64
    case .complex128: 128
    }
  }

  /// Bytes of one element in memory; 0 for strings.
  ///
  /// Elements smaller than a byte take one byte each in memory (signed ones sign-extended, float4
  /// as its bit pattern), so that elements can be moved as bytes. They are packed only in files.
  package var byteWidth: Int { (bitWidth + 7) / 8 }

  /// Whether files pack several elements into one byte.
  package var isSubByte: Bool { bitWidth > 0 && bitWidth < 8 }

  /// Real floating-point types of any width.
  package var isFloatingPoint: Bool {
    switch self {
    case .float, .double, .float16, .bfloat16, .float8e4m3fn, .float8e4m3fnuz, .float8e5m2,
      .float8e5m2fnuz, .float4e2m1, .float8e8m0:
      true
    default: false
    }
  }

  package var isSignedInteger: Bool {
    switch self {
    case .int2, .int4, .int8, .int16, .int32, .int64: true
    default: false
    }
  }

  package var isUnsignedInteger: Bool {
    switch self {
    case .uint2, .uint4, .uint8, .uint16, .uint32, .uint64: true
    default: false
    }
  }

  package var isInteger: Bool { isSignedInteger || isUnsignedInteger }

  package var isComplex: Bool { self == .complex64 || self == .complex128 }
}

extension ElementType: CustomStringConvertible {
  /// The name that ONNX writes inside `tensor(…)`.
  package var description: String {
    switch self {
    case .float: "float"
    case .uint8: "uint8"
    case .int8: "int8"
    case .uint16: "uint16"
    case .int16: "int16"
    case .int32: "int32"
    case .int64: "int64"
    case .string: "string"
    case .bool: "bool"
    case .float16: "float16"
    case .double: "double"
    case .uint32: "uint32"
    case .uint64: "uint64"
    case .complex64: "complex64"
    case .complex128: "complex128"
    case .bfloat16: "bfloat16"
    case .float8e4m3fn: "float8e4m3fn"
    case .float8e4m3fnuz: "float8e4m3fnuz"
    case .float8e5m2: "float8e5m2"
    case .float8e5m2fnuz: "float8e5m2fnuz"
    case .uint4: "uint4"
    case .int4: "int4"
    case .float4e2m1: "float4e2m1"
    case .float8e8m0: "float8e8m0"
    case .uint2: "uint2"
    case .int2: "int2"
    }
  }
}
