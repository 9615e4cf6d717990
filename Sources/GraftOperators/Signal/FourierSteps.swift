import CGraftKernels
import GraftExecution
import GraftFiles
import GraftTensor

/// The steps of a transform whose length has only small prime factors, with their twiddle factors.
struct FourierSteps<Element: RealElement>: Sendable {
  let length: Int
  private let steps: [graft_fourier_step]
  private let factors: [Element]
  private let instructionSet: InstructionSet

  /// The factors of a length, in the order of the steps; `nil` if one is too large.
  ///
  /// Large powers of two come first: after them, strides are whole vectors.
  static func radices(of length: Int) -> [Int]? {
    let exponent = length.trailingZeroBitCount
    // 16 = 4 · 4 takes less than 8 · 2.
    let fours = exponent % 3 == 2 ? 1 : (exponent % 3 == 1 && exponent > 1 ? 2 : 0)
    var radices = [Int](repeating: 8, count: (exponent - 2 * fours) / 3)
    radices += [Int](repeating: 4, count: fours)
    if exponent == 1 { radices.append(2) }
    var rest = length >> exponent
    var factor = 3
    while factor <= Int(GRAFT_FOURIER_LARGEST_RADIX) {
      while rest % factor == 0 {
        radices.append(factor)
        rest /= factor
      }
      factor += 2
    }
    return rest == 1 ? radices : nil
  }

  /// The number of twiddle factors' parts for these steps, at most.
  static func factorCount(of radices: [Int], length: Int, lanes: Int) -> Int {
    // Only strides of less than a vector repeat factors.
    radices.reduce(0) { $0 + 2 * length / $1 * ($1 - 1) * lanes + 2 * $1 * 17 }
  }

  /// - Parameters:
  ///   - radices: from ``radices(of:)``
  ///   - lanes: the lines that are transformed at once
  init(
    length: Int, radices: [Int], lanes: Int, _ instructionSet: InstructionSet
  ) {
    let vector = Int(instructionSet.fourierTable(Element.self).pointee.lane_count)
    var steps: [graft_fourier_step] = []
    var factors: [Element] = []
    factors.reserveCapacity(Self.factorCount(of: radices, length: length, lanes: lanes))
    let roots = UnitRoots(order: length)
    var (rest, stride) = (length, lanes)
    for radix in radices {
      let groups = rest / radix
      steps.append(
        graft_fourier_step(
          radix: Int64(radix), groups: Int64(groups), stride: Int64(stride),
          first_factor: Int64(factors.count)))
      if radix > 8 {
        let angles = (0..<radix).map { UnitRoot($0, of: radix) }
        factors += angles.map { Element($0.cosine) } + angles.map { Element($0.sine) }
      }
      // A root of what remains is one of the length.
      let scale = length / rest
      if stride >= vector {
        for group in 0..<groups {
          for point in 1..<radix {
            let root = roots[group * point * scale]
            factors.append(Element(root.cosine))
            factors.append(Element(-root.sine))
          }
        }
      } else {
        let total = groups * stride
        let padding = [Element](repeating: 0, count: (total + vector - 1) / vector * vector - total)
        for point in 1..<radix {
          for isSine in [false, true] {
            for group in 0..<groups {
              let root = roots[group * point * scale]
              let part = Element(isSine ? -root.sine : root.cosine)
              for _ in 0..<stride { factors.append(part) }
            }
            factors += padding
          }
        }
      }
      rest = groups
      stride *= radix
    }
    self.length = length
    self.steps = steps
    self.factors = factors
    self.instructionSet = instructionSet
  }

  /// Transforms all lines; the result is in `buffers` again.
  func run(_ buffers: inout FourierBuffers<Element>) {
    let isInSpare = steps.withUnsafeBufferPointer { steps in
      factors.withUnsafeBufferPointer { factors -> Bool in
        guard let first = steps.baseAddress, let factors = factors.baseAddress else { return false }
        return instructionSet.fourierTable(Element.self).pointee.transform(
          first, Int64(steps.count), factors, buffers.re, buffers.im, buffers.spareRe,
          buffers.spareIm) != 0
      }
    }
    if isInSpare { buffers.exchangeWithSpare() }
  }
}

extension InstructionSet {
  /// The kernels of Fourier transforms for float or double.
  func fourierTable<Element: RealElement>(
    _: Element.Type
  ) -> UnsafePointer<graft_fourier_table> {
    kernels.pointee.fourier[Element.elementType == .double ? 1 : 0]
  }
}

/// exp(2 pi i k / n) for many k: products of two entries of small tables.
struct UnitRoots {
  private let shift: Int
  private let low: [UnitRoot]
  private let high: [UnitRoot]

  init(order: Int) {
    let bits = Int.bitWidth - order.leadingZeroBitCount
    shift = (bits + 1) / 2
    let step = 1 << shift
    low = (0..<min(step, order)).map { UnitRoot($0, of: order) }
    high = (0...(order >> shift)).map { UnitRoot($0 * step % order, of: order) }
  }

  /// - Parameter k: less than the order
  subscript(_ k: Int) -> UnitRoot {
    let (a, b) = (high[k >> shift], low[k & ((1 << shift) - 1)])
    return UnitRoot(
      cosine: a.cosine * b.cosine - a.sine * b.sine, sine: a.sine * b.cosine + a.cosine * b.sine)
  }
}

/// exp(2 pi i k / n), right to the last bits.
struct UnitRoot {
  let cosine: Double
  let sine: Double

  init(cosine: Double, sine: Double) {
    self.cosine = cosine
    self.sine = sine
  }

  init(_ k: Int, of n: Int) {
    let (quarters, rest) = (4 * k).quotientAndRemainder(dividingBy: n)
    // The angle in the quarter is at most 45 degrees, measured from its nearer end.
    let isNearEnd = 2 * rest > n
    let angle = Double(isNearEnd ? n - rest : rest) / Double(n) * (Double.pi / 2)
    let (c, s) = isNearEnd ? (sin(angle), cos(angle)) : (cos(angle), sin(angle))
    switch quarters % 4 {
    case 0: (cosine, sine) = (c, s)
    case 1: (cosine, sine) = (-s, c)
    case 2: (cosine, sine) = (-c, -s)
    default: (cosine, sine) = (s, -c)
    }
  }
}

/// The memory of a transform: real and imaginary parts, and the same once more.
struct FourierBuffers<Element> {
  private(set) var re: UnsafeMutablePointer<Element>
  private(set) var im: UnsafeMutablePointer<Element>
  private(set) var spareRe: UnsafeMutablePointer<Element>
  private(set) var spareIm: UnsafeMutablePointer<Element>

  /// - Parameter count: the elements of each buffer
  init(_ memory: UnsafeMutableRawPointer, count: Int) {
    let first = memory.assumingMemoryBound(to: Element.self)
    let stride = FourierBuffers.byteCount(count) / 4 / MemoryLayout<Element>.stride
    re = first
    im = first + stride
    spareRe = first + 2 * stride
    spareIm = first + 3 * stride
  }

  /// The bytes of all buffers. Each begins at another place in its page, so that they do not
  /// compete for the same sets of a cache.
  static func byteCount(_ count: Int) -> Int {
    4 * ((count * MemoryLayout<Element>.stride + 127) / 64 * 64 + 128)
  }

  mutating func exchangeWithSpare() {
    swap(&re, &spareRe)
    swap(&im, &spareIm)
  }

  /// Exchanges real and imaginary parts.
  mutating func exchangeParts() {
    swap(&re, &im)
    swap(&spareRe, &spareIm)
  }
}
