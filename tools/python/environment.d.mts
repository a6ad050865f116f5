export function pythonEnvironment(
  name: string,
  requirements: string,
  pipArguments?: readonly string[],
): string;
