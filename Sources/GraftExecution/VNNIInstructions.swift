import CGraftKernels

/// Instructions for products of bytes in groups of four, independent of the instruction set.
package struct VNNIInstructions: OptionSet, Sendable, Hashable {
  package let rawValue: Int32

  package init(rawValue: Int32) { self.rawValue = rawValue }

  /// AVX-VNNI, with vectors of 256 bits.
  package static let avx = VNNIInstructions(rawValue: Int32(GRAFT_VNNI_AVX))
  package static let avx512 = VNNIInstructions(rawValue: Int32(GRAFT_VNNI_AVX512))
  /// The same products without such instructions; only tests choose them.
  package static let portable = VNNIInstructions(rawValue: Int32(GRAFT_VNNI_PORTABLE))

  /// The instructions of processor and operating system.
  package static let detected = VNNIInstructions(rawValue: graft_cpu_vnni())
}
