/** CPU time of this process for `work`, in milliseconds: other programs on the machine do not add to it, as they do to wall time. */
export function cpuMs(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
