import type { Locked } from './sbom.mjs';

export const LIBRARIES: Readonly<Record<string, string>>;
export const TOOLS: Readonly<Record<string, string>>;
export const LICENCES: readonly string[];
export const LICENCES_OF_TOOLS: readonly string[];
export const INSTALL_SCRIPTS: Readonly<Record<string, string>>;
export function identifiersIn(license: string): string[];
export function nameOf(folder: string): string;
export function withNeeds(names: readonly string[], locked: Readonly<Record<string, Locked>>): string[];
