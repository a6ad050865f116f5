export const cache: string;
export const sidRoot: string;
