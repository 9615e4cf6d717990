import GraftFiles

/// Raises the learning rate along a half cosine from `1 / startDivisor` to 1, and lowers it along
/// another to `1 / (startDivisor · endDivisor)`. The phase's learning rate is the maximum.
///
/// Source: `OneCycleLR`,
/// <https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.OneCycleLR.html>; Smith
/// and Topin, "Super-Convergence", <https://arxiv.org/abs/1708.07120>
package struct OneCycleSchedule: LearningRateSchedule {
  /// The fraction of the phase in which the rate rises.
  package var risingShare: Double
  package var startDivisor: Double
  package var endDivisor: Double

  package init(risingShare: Double = 0.3, startDivisor: Double = 25, endDivisor: Double = 1e4) {
    self.risingShare = risingShare
    self.startDivisor = startDivisor
    self.endDivisor = endDivisor
  }

  package static var dependsOnStepCount: Bool { true }

  package func factor(step: Int, stepsPerEpoch: Int, stepCount: Int) -> Double {
    let peak = risingShare * Double(stepCount) - 1
    let last = Double(stepCount - 1)
    let step = Double(step)
    let start = 1 / startDivisor
    if step <= peak, peak > 0 { return between(start, 1, step / peak) }
    guard last > peak else { return 1 }
    return between(1, start / endDivisor, min(1, (step - peak) / (last - peak)))
  }

  /// From `first` to `second` along a half cosine.
  private func between(_ first: Double, _ second: Double, _ share: Double) -> Double {
    second + (first - second) * 0.5 * (1 + cos(.pi * share))
  }
}
