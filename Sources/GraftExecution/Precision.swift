import CGraftKernels

/// How exactly matrix products and convolutions of floats are computed.
package enum Precision: String, Sendable, CaseIterable, Codable {
  /// All in float; 3 x 3 convolutions by Winograd's method where that is faster.
  case float = "fp32"
  /// All in float, and convolutions as direct sums.
  case exact
  /// Large constant weights are rounded to bfloat16, and what they are multiplied by, too, where the
  /// processor multiplies bfloat16. Sums and all that lies between layers stay float.
  case bfloat16 = "bf16"
}

/// Instructions for bfloat16 that a processor may have besides those of its instruction set.
package enum BFloat16Instructions: Int32, Sendable, CaseIterable {
  case none = 0
  /// AVX512-BF16: sums of products of pairs
  case avx512 = 1

  /// What processor and operating system offer.
  package static let detected =
    BFloat16Instructions(rawValue: graft_cpu_bf16_instructions()) ?? .none
}
