export const cache: string;
export const sidRoot: string;
export const goPrograms: string;
export const kubernetesSchemas: string;
