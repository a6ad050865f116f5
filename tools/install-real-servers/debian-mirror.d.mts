export function debianMirror(etc?: string, override?: string): string;
