import CGraftKernels
import GraftExecution
import GraftFiles
import GraftTensor

/// The discrete Fourier transform of complex points, of any number, of several lines at once:
/// X[k] = Σ x[j] exp(-2πi j k / n).
///
/// A length with a large prime factor becomes a convolution with a chirp, of a length without one.
///
/// Source: Bluestein, "A linear filtering approach to the computation of discrete Fourier
/// transform", IEEE Transactions on Audio and Electroacoustics 18, 1970
struct FourierTransform<Element: RealElement>: Sendable {
  let length: Int
  let lanes: Int
  private let instructionSet: InstructionSet
  private let steps: FourierSteps<Element>
  private let chirp: Chirp?

  /// The parts of complex factors.
  private struct Factors: Sendable {
    let re: [Element]
    let im: [Element]

    func multiply(
      _ buffers: FourierBuffers<Element>, lanes: Int, _ table: UnsafePointer<graft_fourier_table>
    ) {
      re.withUnsafeBufferPointer { re in
        im.withUnsafeBufferPointer { im in
          guard let first = re.baseAddress, let firstIm = im.baseAddress else { return }
          table.pointee.multiply(
            buffers.re, buffers.im, Int64(re.count), Int64(lanes), first, firstIm)
        }
      }
    }
  }

  private struct Chirp: Sendable {
    /// exp(-πi j² / n)
    let factors: Factors
    /// The transform of exp(πi j² / n), divided by its length.
    let spectrum: Factors
  }

  /// - Throws: `GraftError` if there is no memory for the factors
  init(length: Int, lanes: Int, _ instructionSet: InstructionSet) throws {
    self.length = length
    self.lanes = lanes
    self.instructionSet = instructionSet
    let radices = FourierSteps<Element>.radices(of: length)
    let inner = radices == nil ? try Self.convolutionLength(length) : length
    let innerRadices = radices ?? FourierSteps<Element>.radices(of: inner) ?? []
    let (count, overflows) = inner.multipliedReportingOverflow(by: 32 * lanes)
    guard !overflows, count < 1 << 48 else {
      throw GraftError(.operatingSystem, "a transform of \(length) points needs too much memory")
    }
    let factorCount = FourierSteps<Element>.factorCount(
      of: innerRadices, length: inner, lanes: lanes)
    try MemoryBudget(limit: nil).require([
      factorCount * MemoryLayout<Element>.stride, radices == nil ? 16 * 8 * inner : 0,
    ])
    steps = FourierSteps(length: inner, radices: innerRadices, lanes: lanes, instructionSet)
    chirp = radices == nil ? try Self.chirp(length, inner, instructionSet) : nil
  }

  private var table: UnsafePointer<graft_fourier_table> {
    instructionSet.fourierTable(Element.self)
  }

  /// The least length of at least 2 n - 1 with no prime factor above 5.
  private static func convolutionLength(_ length: Int) throws -> Int {
    let (doubled, overflows) = length.multipliedReportingOverflow(by: 2)
    guard !overflows, doubled < 1 << 40 else {
      throw GraftError(.operatingSystem, "a transform of \(length) points needs too much memory")
    }
    let least = doubled - 1
    var best = Int.max
    var fives = 1
    while fives < 2 * least {
      var odd = fives
      while odd < 2 * least {
        var candidate = odd
        while candidate < least { candidate *= 2 }
        best = min(best, candidate)
        odd *= 3
      }
      fives *= 5
    }
    return best
  }

  private static func chirp(
    _ length: Int, _ inner: Int, _ instructionSet: InstructionSet
  ) throws -> Chirp {
    var re = [Double](repeating: 0, count: length)
    var im = re
    let roots = UnitRoots(order: 2 * length)
    // j² modulo 2 n
    var square = 0
    for j in 0..<length {
      let root = roots[square]
      (re[j], im[j]) = (root.cosine, -root.sine)
      square = (square + 2 * j + 1) % (2 * length)
    }
    let table = instructionSet.fourierTable(Double.self)
    let count = inner + Int(table.pointee.lane_count)
    let memory = try Storage.heap(byteCount: FourierBuffers<Double>.byteCount(count))
    var buffers = FourierBuffers<Double>(memory.baseAddress, count: count)
    buffers.re.update(repeating: 0, count: count)
    buffers.im.update(repeating: 0, count: count)
    for j in 0..<length {
      for place in j == 0 ? [0] : [j, inner - j] {
        buffers.re[place] = re[j] / Double(inner)
        buffers.im[place] = -im[j] / Double(inner)
      }
    }
    FourierSteps<Double>(
      length: inner, radices: FourierSteps<Double>.radices(of: inner) ?? [], lanes: 1,
      instructionSet
    ).run(&buffers)
    let spectrum = Factors(
      re: (0..<inner).map { Element(buffers.re[$0]) },
      im: (0..<inner).map { Element(buffers.im[$0]) })
    withExtendedLifetime(memory) {}
    return Chirp(
      factors: Factors(re: re.map { Element($0) }, im: im.map { Element($0) }), spectrum: spectrum)
  }

  /// The elements that each buffer needs.
  var bufferCount: Int { steps.length * lanes + Int(table.pointee.lane_count) }

  /// Transforms all lines. The result is in `buffers` again.
  func run(_ buffers: inout FourierBuffers<Element>) {
    guard let chirp else { return steps.run(&buffers) }
    chirp.factors.multiply(buffers, lanes: lanes, table)
    let rest = (steps.length - length) * lanes
    (buffers.re + length * lanes).update(repeating: 0, count: rest)
    (buffers.im + length * lanes).update(repeating: 0, count: rest)
    steps.run(&buffers)
    chirp.spectrum.multiply(buffers, lanes: lanes, table)
    buffers.exchangeParts()
    steps.run(&buffers)
    buffers.exchangeParts()
    chirp.factors.multiply(buffers, lanes: lanes, table)
  }

  /// The same with exp(+2πi j k / n): n times the inverse.
  func runInverse(_ buffers: inout FourierBuffers<Element>) {
    buffers.exchangeParts()
    run(&buffers)
    buffers.exchangeParts()
  }
}
