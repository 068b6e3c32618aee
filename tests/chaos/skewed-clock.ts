/** Loaded into a program with `--import`: its clock goes wrong by `CHAOS_CLOCK_SKEW_MS`. Timers are not touched by that. */
const skewMs = Number(process.env.CHAOS_CLOCK_SKEW_MS);
const RealDate = globalThis.Date;

globalThis.Date = new Proxy(RealDate, {
  construct: (target, args, newTarget) =>
    Reflect.construct(target, args.length === 0 ? [target.now() + skewMs] : args, newTarget),
  apply: (target) => new target(target.now() + skewMs).toString(),
  get: (target, name) => (name === 'now' ? () => target.now() + skewMs : Reflect.get(target, name)),
});
