import CGraftKernels

/// The precision of matrix products and convolutions of floats.
package enum Precision: String, Sendable, CaseIterable, Codable {
  /// All in float; 3 x 3 convolutions by Winograd's algorithm where that is faster.
  case float = "fp32"
  /// All in float; convolutions as direct sums.
  case exact
  /// Large constant weights are rounded to bfloat16, and so are their factors where the processor
  /// multiplies bfloat16. Sums, and everything between layers, stay float.
  case bfloat16 = "bf16"
}

/// Instructions for bfloat16, independent of the instruction set.
package enum BFloat16Instructions: Int32, Sendable, CaseIterable {
  case none = 0
  /// AVX512-BF16: sums of products of pairs
  case avx512 = 1

  /// The instructions of processor and operating system.
  package static let detected =
    BFloat16Instructions(rawValue: graft_cpu_bf16_instructions()) ?? .none
}
